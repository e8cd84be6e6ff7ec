/* Step one: every node proves itself to this client. */
#include "client/client.h"

static int attest_one(struct avow_node *n, void *ctx, struct avow_error *err)
{
    (void)ctx;
    return avow_node_attest(n, err);
}

int avow_client_attest(struct avow_client *c, struct avow_error *err)
{
    double began = avow_now_ms();
    struct avow_error e = { 0 };
    int rc = 0;

    if (!c->policy || !c->n)
        return AVOW_FAIL(err, INVAL, "no policy or no nodes");
    rc = avow_client_each(c, false, attest_one, NULL, &e);
    c->phases.attest_ms = avow_now_ms() - began;
    for (size_t i = 0; i < c->n; i++)
        if (c->nodes[i].state == AVOW_NODE_EVALUATED && !avow_verdict_accepts(&c->nodes[i].verdict))
            return AVOW_CLIENT_REFUSED;
    if (rc < 0 && err)
        *err = e;
    return rc;
}
