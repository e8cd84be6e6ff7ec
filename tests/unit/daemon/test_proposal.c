#include "../test.h"

#include "crypto/hash.h"
#include "daemon/proposal.h"
#include "job/manifest.h"

#define UUID "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

static const char policy[] = "{\"snp\":{\"measurements\":\"any\"},\"version\":1}";

static char *manifest_text(void)
{
    struct avow_job_node nodes[2] = { { .name = "b", .tee = "tdx", .ranks = 1 },
                                      { .name = "a", .tee = "snp", .ranks = 2 } };
    struct avow_manifest m = { .job = UUID,
                               .name = "test",
                               .program = { .name = "train", .size = 1 },
                               .outputs_max = 1,
                               .n_nodes = 2,
                               .nodes = nodes };
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_MANIFEST_MAX);
    struct avow_error err = { 0 };

    if (avow_manifest_emit(&m, &out, &err) < 0)
        fail_msg("%s", err.text);
    return (char *)avow_buf_steal(&out, NULL);
}

static json_t *body(void)
{
    avow_autofree char *manifest = manifest_text();
    json_t *j = json_pack("{s:s,s:i,s:s,s:s,s:s,s:[{s:s,s:s,s:s},{s:s,s:s,s:s}]}", "formation",
                          UUID, "epoch", 3, "manifest", manifest, "policy", policy, "member", "a",
                          "members", "name", "b", "tee", "tdx", "address", "host-b:7441", "name",
                          "a", "tee", "snp", "address", "[::1]:7441");

    assert_non_null(j);
    return j;
}

static int parse(const json_t *j, struct avow_proposal *p, struct avow_error *err)
{
    return avow_proposal_parse(j, "a", AVOW_TEE_SNP, p, err);
}

static void right_body_is_read(void **state)
{
    avow_autojson json_t *j = body();
    avow_auto(avow_proposal_done) struct avow_proposal p = { 0 };
    struct avow_error err = { 0 };
    uint8_t digest[32];

    (void)state;
    if (parse(j, &p, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(p.uuid, UUID);
    assert_int_equal(p.epoch, 3);
    assert_int_equal(p.n, 2);
    assert_int_equal(p.self, 0); /* sorted */
    assert_string_equal(p.seats[0].name, "a");
    assert_string_equal(p.seats[1].name, "b");
    assert_string_equal(p.seats[1].address, "host-b:7441");
    assert_non_null(p.policy);
    assert_int_equal(avow_sha256(avow_buf_view(&p.manifest), digest), 0);
    assert_memory_equal(digest, p.manifest_digest, 32);
    assert_int_equal(avow_sha256(avow_bytes_str(policy), digest), 0);
    assert_memory_equal(digest, p.policy_digest, 32);
}

static void expect(json_t *take_j, int code)
{
    avow_autojson json_t *j = take_j;
    struct avow_proposal p = { 0 };
    struct avow_error err = { 0 };
    int rc = parse(j, &p, &err);

    if (rc != -code)
        fail_msg("%d (%s), not %d", rc, err.text, -code);
    assert_null(p.seats);
    assert_null(p.policy);
}

static json_t *with(const char *key, json_t *value)
{
    json_t *j = body();

    if (value)
        json_object_set_new(j, key, value);
    else
        json_object_del(j, key);
    return j;
}

static json_t *with_member(size_t i, const char *key, const char *value)
{
    json_t *j = body();

    json_object_set_new(json_array_get(json_object_get(j, "members"), i), key, json_string(value));
    return j;
}

static void wrong_bodies_are_refused(void **state)
{
    static const char *const keys[] = { "formation", "epoch",  "manifest",
                                        "policy",    "member", "members" };
    json_t *j = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        expect(with(keys[i], NULL), AVOW_E_FORMAT);
        expect(with(keys[i], json_true()), AVOW_E_FORMAT);
    }
    expect(with("extra", json_true()), AVOW_E_FORMAT);
    expect(with("formation", json_string("6BA7B810-9dad-41d1-80b4-00c04fd430c8")), AVOW_E_FORMAT);
    expect(with("epoch", json_integer(0)), AVOW_E_LIMIT);
    expect(with("member", json_string("b")), AVOW_E_REFUSED);
    expect(with("member", json_string("c")), AVOW_E_REFUSED);
    expect(with("members", json_array()), AVOW_E_FORMAT);
    expect(with("policy", json_string("{}")), AVOW_E_FORMAT);
    expect(with("policy", json_string(" {\"version\":1}")), AVOW_E_FORMAT);
    expect(with("manifest", json_string("{}")), AVOW_E_FORMAT);
    expect(with_member(0, "name", "B"), AVOW_E_FORMAT);
    expect(with_member(0, "name", "a"), AVOW_E_EXISTS);
    expect(with_member(0, "name", "c"), AVOW_E_FORMAT); /* the manifest says b */
    expect(with_member(0, "tee", "sgx"), AVOW_E_FORMAT);
    expect(with_member(0, "tee", "snp"), AVOW_E_FORMAT);  /* the manifest says tdx */
    expect(with_member(1, "tee", "tdx"), AVOW_E_REFUSED); /* we are snp */
    expect(with_member(0, "address", "nowhere"), AVOW_E_FORMAT);
    expect(with_member(0, "color", "red"), AVOW_E_FORMAT);
    j = body();
    json_array_append_new(json_object_get(j, "members"),
                          json_pack("{s:s,s:s,s:s}", "name", "c", "tee", "snp", "address", "x:1"));
    expect(j, AVOW_E_FORMAT);
    j = body();
    json_array_append_new(json_object_get(j, "members"), json_integer(1));
    expect(j, AVOW_E_FORMAT);
}

static void roster_must_say_what_was_proposed(void **state)
{
    avow_autojson json_t *j = body();
    avow_auto(avow_proposal_done) struct avow_proposal p = { 0 };
    struct avow_member members[3] = { { .name = "a", .tee = AVOW_TEE_SNP },
                                      { .name = "b", .tee = AVOW_TEE_TDX } };
    struct avow_roster right = { .formation = UUID, .epoch = 3, .n = 2, .members = members };
    struct avow_roster r;

    (void)state;
    assert_int_equal(parse(j, &p, NULL), 0);
    memcpy(right.manifest, p.manifest_digest, 32);
    memcpy(right.policy, p.policy_digest, 32);
    assert_int_equal(avow_proposal_match(&p, &right, NULL), 0);
    r = right;
    r.formation[0] = '7';
    assert_int_equal(avow_proposal_match(&p, &r, NULL), -AVOW_E_REFUSED);
    r = right;
    r.epoch++;
    assert_int_equal(avow_proposal_match(&p, &r, NULL), -AVOW_E_REFUSED);
    r = right;
    r.manifest[31] ^= 1;
    assert_int_equal(avow_proposal_match(&p, &r, NULL), -AVOW_E_REFUSED);
    r = right;
    r.policy[0] ^= 1;
    assert_int_equal(avow_proposal_match(&p, &r, NULL), -AVOW_E_REFUSED);
    r = right;
    r.n = 3;
    assert_int_equal(avow_proposal_match(&p, &r, NULL), -AVOW_E_REFUSED);
    r = right;
    members[1].name[0] = 'c';
    assert_int_equal(avow_proposal_match(&p, &r, NULL), -AVOW_E_REFUSED);
    members[1].name[0] = 'b';
    members[1].tee = AVOW_TEE_SNP;
    assert_int_equal(avow_proposal_match(&p, &r, NULL), -AVOW_E_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_body_is_read),
        cmocka_unit_test(wrong_bodies_are_refused),
        cmocka_unit_test(roster_must_say_what_was_proposed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
