-- yield_anywhere.lua: places in which a fiber may yield: under pcall, in metamethods, callbacks of
-- the standard library, iterators and coroutines.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local fiber = require 'fiber'

t.case('protected calls', function()
  t.check('under pcall', pcall(function() fiber.yield() return 'yes' end))
  t.check('under two pcalls', pcall(pcall, function() fiber.sleep(0.001) error('yes', 0) end))
  t.check('under xpcall', xpcall(function() fiber.yield() return 'yes' end, tostring))
  t.check('in an error handler', xpcall(error, function() fiber.yield() return 'yes' end, 'x'))
end)

t.case('metamethods', function()
  local object = setmetatable({}, {
    __index = function() fiber.yield() return 'yes' end,
    __add = function() fiber.yield() return 'yes' end,
    __eq = function() fiber.yield() return true end,
    __lt = function() fiber.yield() return true end,
    __concat = function() fiber.yield() return 'yes' end,
    __call = function() fiber.yield() return 'yes' end,
    __tostring = function() fiber.yield() return 'yes' end,
  })
  t.check('in __index', object.field)
  t.check('in __add', object + 1)
  t.check('in __eq', object == setmetatable({}, getmetatable(object)))
  t.check('in __lt', object < setmetatable({}, getmetatable(object)))
  t.check('in __concat', object .. 'x')
  t.check('in __call', object())
  t.check('in __tostring', tostring(object))
end)

t.case('callbacks', function()
  local list = { 3, 1, 2 }
  table.sort(list, function(a, b) fiber.yield() return a < b end)
  t.check('in a sort', table.concat(list, ' '))
  t.check('in a gsub', (string.gsub('no', 'no', function() fiber.yield() return 'yes' end)))
  local sum = 0
  local function up_to_three(_, i)
    fiber.yield()
    if i < 3 then return i + 1 end
  end
  for i in up_to_three, nil, 0 do sum = sum + i end
  t.check('in an iterator', sum)
end)

t.case('coroutines', function()
  local thread = coroutine.create(function(x)
    fiber.yield()
    local y = coroutine.yield(x + 1)
    fiber.sleep(0.001)
    return y + 1
  end)
  t.check('in a coroutine', coroutine.resume(thread, 1))
  t.check('in a coroutine, resumed', coroutine.resume(thread, 10))
  t.check('the coroutine has ended', coroutine.status(thread))
  local next_value = coroutine.wrap(function()
    for i = 1, 3 do
      fiber.yield()
      coroutine.yield(i)
    end
  end)
  t.check('in a wrapped coroutine', next_value(), next_value(), next_value())
end)

t.case('recursion', function()
  local function descend(n)
    if n == 0 then fiber.yield() return 0 end
    return 1 + descend(n - 1)
  end
  t.check('deep in a recursion', descend(1000))
end)

os.exit(0)
