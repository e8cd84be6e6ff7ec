#include "verifier/refusal.h"

#include <stdio.h>

#include "codec/json.h"
#include "codec/text.h"

const char *refusal_explain(const char *code)
{
    static const struct {
        const char *code, *means;
    } known[] = {
        { "PolicyEvaluationError", "the attestation provider's own policy denies this evidence" },
        { "PolicyParsingError", "the attestation provider's policy is broken: its owner must act" },
        { "InvalidParameter", "the service does not take the evidence or its certificates" },
        { "InvalidOperation", "the attestation provider does not offer this" },
        { "Unauthorized", "the attestation provider wants a sign-in, which attesting does not need"
                          " at Microsoft's: check the url" },
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(code, known[i].code) == 0)
            return known[i].means;
    return "";
}

void refusal_read(const struct avow_http_reply *r, char code[REFUSAL_CODE_MAX + 1],
                  char message[REFUSAL_MESSAGE_MAX + 1])
{
    avow_autojson json_t *doc = NULL;
    const json_t *e = NULL;
    const char *text = NULL;

    code[0] = message[0] = 0;
    if (avow_json_parse(avow_buf_view(&r->body), &doc, NULL) < 0)
        return;
    e = json_object_get(doc, "error");
    text = json_string_value(json_object_get(e, "code"));
    (void)snprintf(code, REFUSAL_CODE_MAX + 1, "%s", text ? text : "");
    text = json_string_value(json_object_get(e, "message"));
    (void)snprintf(message, REFUSAL_MESSAGE_MAX + 1, "%s", text ? text : "");
    avow_printable(code);
    avow_printable(message);
}

bool refusal_is_version(const struct avow_http_reply *r)
{
    char code[REFUSAL_CODE_MAX + 1], message[REFUSAL_MESSAGE_MAX + 1];

    if (r->status != 400 && r->status != 404)
        return false;
    refusal_read(r, code, message);
    return strcmp(code, "UnsupportedApiVersionValue") == 0 ||
           strcmp(code, "UnsupportedApiVersion") == 0 || strstr(message, "api-version") != NULL;
}
