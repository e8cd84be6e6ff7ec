/* Messages of other nodes' shells: what parses emits to the same bytes. Signatures inside are read
 * too. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "launch/collective.h"
#include "launch/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct avow_launch_node nodes[] = { { .ranks = 2 }, { .ranks = 3, .first = 2 } };
    static const struct avow_launch_config config = {
        .job = "0f3c2f4e-1111-4222-8333-444455556666", .n_nodes = 2, .nodes = nodes, .n_ranks = 5
    };
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_PEER_BLOB_MAX);
    struct avow_peer_msg m;
    enum avow_coll_kind kind;
    struct avow_node_set set;

    if (avow_peer_parse(AVOW_BYTES(data, size), &m, NULL) < 0)
        return 0;
    if (avow_peer_emit(&m, &b) < 0 || !avow_bytes_equal(avow_buf_view(&b), AVOW_BYTES(data, size)))
        abort();
    if (m.signature.len > 0 && avow_coll_read(&config, m.signature, &kind, &set, NULL) == 0 &&
        (set.bits[0] == 0 || set.bits[0] > 3))
        abort();
    return 0;
}
