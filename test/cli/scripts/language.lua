for i = 1, 3 do
  for j = 1, 3 do
    if j == 2 then goto continue end
    io.write(i, j, " ")
    ::continue::
  end
end
print()
local constant <const> = 10
local function variadic(...)
  local a, b = ...
  return select("#", ...), a, b, constant
end
print(variadic()) print(variadic(nil, nil)) print(variadic(1, 2, 3))
local env = setmetatable({ print = print }, {
  __index = function(_, name) return "<" .. name .. ">" end,
})
load("print(x, y); z = 1; print(z)", "chunk", "t", env)()
print(load("return 1", "c", "b")) print(load("x x"))
print( type(load(function() return nil end)))
local object = setmetatable({}, {
  __name = "Thing",
  __call = function(_, ...) return "called", ... end,
  __tostring = function() return "an object" end,
  __len = function() return 7 end,
  __concat = function(a, b) return type(a) .. type(b) end,
  __eq = function() return true end,
  __lt = function() return true end,
  __le = function() return false end,
  __unm = function() return "minus" end,
  __idiv = function() return "idiv" end,
  __shl = function() return "shl" end,
  __pairs = function() return function(_, k) if not k then return 1, 2 end end end,
})
print(object(1))
print(#object, object .. 1, 1 .. object, object == setmetatable({}, getmetatable(object)))
print(object < 1, object <= 1, -object, object, object // 1, object << 1)
for k, v in pairs(object) do print(k, v) end
print(pcall(error), pcall(error, nil), pcall(error, "m", 0), select("#", pcall(error, {})))
print(xpcall(function(...) return ... end, print, 1, 2))
print(xpcall(error, function(m) return "handled " .. m end, "e"))
print(rawequal("a", "a"), rawlen({ 1 }), rawget({ 5 }, 1), next({}, nil), type(next), _VERSION)
local t <close> = setmetatable({}, { __close = function() print("closed") end })
do local _ENV = { p = print } p("own environment") end
