local function failing(name)
  return setmetatable({}, { __close = function(_, problem)
    print("close " .. name, (problem:match("[^\n]*")))
    error("closing " .. name, 0)
  end })
end
local first <close> = failing("first")
local second <close> = failing("second")
error("the body", 0)
