local lines, calls = {}, 0
local function watched()
  local x = 1
  x = x + 1
  return x
end
debug.sethook(function(event, line)
  if event == "line" then lines[#lines + 1] = line else calls = calls + 1 end
end, "lcr")
watched()
debug.sethook()
print(table.concat(lines, " "), calls > 0)
local count = 0
debug.sethook(function() count = count + 1 end, "", 1000)
for _ = 1, 1e5 do end
debug.sethook()
print(count > 50, debug.gethook())
debug.sethook(function() error("from the hook") end, "l")
local y = 1
