local Object = {}
Object.__index = Object
Object.__add = function(a, b) return a.missing.field end

function Object:method() return (self + self) end

local function upvalue(object)
  local result = object:method()
  return result
end

function global_function(object)
  return (upvalue(object))
end

local function tail(object) return global_function(object) end

local t = { field = function(object) return (tail(object)) end }

for value in function() return t.field(setmetatable({}, Object)) end do
  print(value)
end
