local function closing(name)
  return setmetatable({}, {
    __close = function(_, problem) print("close " .. name, (tostring(problem):match("[^\n]*"))) end,
    __gc = function() print("collect " .. name) end,
  })
end
local first <close> = closing("first")
local second <close> = closing("second")
kept = closing("kept")
local co = coroutine.wrap(function()
  local suspended <close> = closing("suspended")
  coroutine.yield()
end)
co()
print("end of script")
if arg[1] == "error" then error("failed") end
if arg[1] == "object" then
  error(setmetatable({}, { __tostring = function() return "object" end }))
end
if arg[1] == "exit" then os.exit(3) end
if arg[1] == "close" then os.exit(4, true) end
