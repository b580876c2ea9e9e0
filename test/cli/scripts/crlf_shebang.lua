#!/usr/bin/env lua
print("crlf after shebang")
