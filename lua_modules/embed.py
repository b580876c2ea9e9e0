#!/usr/bin/env python3
"""Writes a C++ file with the text of Lua modules: embed.py OUTPUT NAME PATH [NAME PATH]..."""

import sys

output, arguments = sys.argv[1], sys.argv[2:]
lines = ['#include "bindings/lua_modules.hpp"', "", "namespace coir {", ""]
entries = []
for number, (name, path) in enumerate(zip(arguments[::2], arguments[1::2])):
    with open(path, "rb") as file:
        data = file.read()
    lines.append(f"static const unsigned char text{number}[] = {{")
    for start in range(0, len(data), 20):
        lines.append("    " + ",".join(str(byte) for byte in data[start : start + 20]) + ",")
    lines.append("};")
    entries.append(f'    {{"{name}", text{number}, sizeof text{number}}},')
lines += ["", "static const EmbeddedModule modules[] = {"] + entries + ["};", ""]
lines += ["std::span<const EmbeddedModule> embedded_modules() { return modules; }", "", "}  // namespace coir", ""]
with open(output, "w") as file:
    file.write("\n".join(lines))
