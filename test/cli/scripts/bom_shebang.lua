#!/usr/bin/env lua
print("after both") error("line 2")
