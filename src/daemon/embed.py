#!/usr/bin/env python3
"""Write a file as a C array: embed.py INPUT OUTPUT NAME HEADER."""
import sys

source, output, name, header = sys.argv[1:]
data = open(source, "rb").read()
with open(output, "w") as out:
    out.write(f'#include "{header}"\n\nconst unsigned char {name}[] = {{\n')
    for i in range(0, len(data), 16):
        out.write("    " + " ".join(f"0x{b:02x}," for b in data[i:i + 16]) + "\n")
    out.write(f"}};\nconst size_t {name}_len = sizeof {name};\n")
