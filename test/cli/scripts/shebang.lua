#!/usr/bin/env lua
print("from a shebang", ...)
error("line 3")
