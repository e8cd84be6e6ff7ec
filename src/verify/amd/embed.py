#!/usr/bin/env python3
"""PEM files of AMD's ASK, ASVK and ARK, in this order, as C arrays of DER. Usage: embed.py OUT PEM..."""
import base64
import os
import re
import sys

out, files = sys.argv[1], sys.argv[2:]
rows, arrays = [], []
for path in files:
    line = os.path.basename(path)[: -len(".pem")].capitalize()
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", open(path).read(), re.S)
    assert len(blocks) == 3, path
    for cn, block in zip((f"SEV-{line}", f"SEV-VLEK-{line}", f"ARK-{line}"), blocks):
        der = base64.b64decode(block)
        assert cn.encode() in der, (path, cn)
        name = re.sub(r"\W", "_", cn.lower())
        arrays.append(f"static const uint8_t {name}[] = {{{','.join(map(str, der))}}};\n")
        rows.append(f'    {{ "{cn}", {{ {name}, sizeof {name} }} }},\n')
with open(out, "w") as f:
    f.write("".join(arrays))
    f.write("static const struct avow_amd_endorsement endorsements[] = {\n" + "".join(rows) + "};\n")
