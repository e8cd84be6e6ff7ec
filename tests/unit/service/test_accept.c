#include "../test.h"

#include "service/accept.h"

#define EAT "application/eat+jwt"
#define JSON "application/json"

static void who_gets_the_other(void **state)
{
    static const char *const yes[] = {
        EAT,
        "Application/EAT+JWT",
        "  " EAT " ; eat_profile=\"tag:a,2023:b;q=0/ear\"",
        EAT ", " JSON,
        EAT ", */*",
        "*/*, " EAT,
        "text/html," EAT ";q=0.1",
        JSON ";q=0.5, " EAT,
        JSON "; q=0.5 , " EAT ";q=0.51",
        EAT ";q=2",
        EAT ";q=0.1234",
        "application/*;q=0.2, " EAT ";q=0.3",
        "x;a=\"\\\",\", " EAT,
    };
    static const char *const no[] = {
        "",
        "*/*",
        "application/*",
        JSON,
        JSON ", " EAT,
        EAT ";q=0",
        EAT ";q=0.000, */*",
        EAT "; eat_profile=x; q=0",
        EAT ";q=0.5, " JSON,
        EAT ";q=0.5, */*",
        "text/html",
        "application/eat+jwtx",
        "xapplication/eat+jwt",
        ("x;a=\"" EAT "\""),
        "x;a=\"," EAT,
        ",,;,;;=,\"",
    };

    (void)state;
    assert_false(avow_accept_prefers(NULL, EAT, JSON));
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!avow_accept_prefers(yes[i], EAT, JSON))
            fail_msg("%s", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (avow_accept_prefers(no[i], EAT, JSON))
            fail_msg("%s", no[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_gets_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
