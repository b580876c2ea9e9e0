print("one")
print([[a
b]] == "a\nb")
local t = nil
t.x = 1
