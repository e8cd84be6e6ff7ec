#include "job/names.h"

#include <string.h>

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_alpha(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_plain(char c)
{
    return is_alpha(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
}

static bool component_ok(const char *s, size_t n)
{
    if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_plain(s[i]))
            return false;
    return true;
}

bool avow_job_file_name_ok(const char *name)
{
    const char *s = name;

    if (strnlen(name, AVOW_JOB_FILE_NAME_MAX + 1) > AVOW_JOB_FILE_NAME_MAX)
        return false;
    for (int depth = 0; depth < AVOW_JOB_FILE_DEPTH_MAX; depth++) {
        const char *end = strchrnul(s, '/');

        if (!component_ok(s, (size_t)(end - s)))
            return false;
        if (!*end)
            return true;
        s = end + 1;
    }
    return false;
}

bool avow_job_node_name_ok(const char *name)
{
    size_t n = strnlen(name, AVOW_JOB_NODE_NAME_MAX + 1);

    if (n == 0 || n > AVOW_JOB_NODE_NAME_MAX || name[0] == '-' || name[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_lower(name[i]) && !is_digit(name[i]) && name[i] != '-')
            return false;
    return true;
}

bool avow_job_name_ok(const char *name)
{
    size_t n = strnlen(name, AVOW_JOB_NAME_MAX + 1);

    return n <= AVOW_JOB_NAME_MAX && component_ok(name, n);
}

bool avow_job_env_name_ok(const char *name)
{
    static const char *const own[] = { "AVOW_", "PMIX_", "PMI_" };
    size_t n = strnlen(name, AVOW_JOB_ENV_NAME_MAX + 1);

    if (n == 0 || n > AVOW_JOB_ENV_NAME_MAX || is_digit(name[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_alpha(name[i]) && !is_digit(name[i]) && name[i] != '_')
            return false;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strncmp(name, own[i], strlen(own[i])) == 0)
            return false;
    return strcmp(name, "LD_PRELOAD") != 0 && strcmp(name, "LD_AUDIT") != 0;
}

static bool is_dash_place(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

bool avow_job_uuid_ok(const char *text)
{
    if (strnlen(text, AVOW_JOB_UUID_LEN + 1) != AVOW_JOB_UUID_LEN)
        return false;
    for (size_t i = 0; i < AVOW_JOB_UUID_LEN; i++) {
        char c = text[i];

        if (is_dash_place(i) ? c != '-' : !is_digit(c) && !(c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}

static uint8_t nibble(char c)
{
    return (uint8_t)(is_digit(c) ? c - '0' : c - 'a' + 10);
}

void avow_job_uuid_bytes(const char *text, uint8_t out[16])
{
    size_t at = 0;

    for (size_t i = 0; i < 16; i++) {
        if (is_dash_place(at))
            at++;
        out[i] = (uint8_t)(nibble(text[at]) << 4 | nibble(text[at + 1]));
        at += 2;
    }
}

void avow_job_uuid_text(const uint8_t bytes[16], char out[AVOW_JOB_UUID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    for (size_t i = 0; i < 16; i++) {
        if (is_dash_place(at))
            out[at++] = '-';
        out[at++] = digits[bytes[i] >> 4];
        out[at++] = digits[bytes[i] & 15];
    }
    out[at] = 0;
}
