-- places_test.lua: the 26 places where user code may call a function that waits, each shown with
-- another fiber that goes on meanwhile.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local fiber = require 'fiber'

--- What the places call: waits for an answer over a real connection and returns it as a number.
local ask

--- Runs the case with a server that answers after a while, and a fiber that counts meanwhile.
local function place(sentence, body)
  test.case(sentence, function()
    local client, server = loopback.pair()
    local counter, asked = 0, 0
    fiber.new(function()
      for line in server:lines() do
        local seen = counter
        while counter < seen + 3 do fiber.yield() end
        server:write(line .. '\n')
      end
    end)
    fiber.new(function() while true do counter = counter + 1; fiber.yield() end end)
    function ask(value)
      local before = counter
      asked = asked + 1
      client:write((value or 7) .. '\n')
      local answer = tonumber(client:readline())
      test.ok(counter > before, 'nobody else went on')
      return answer
    end
    body()
    test.ok(asked > 0, 'the place was not visited')
  end)
end

place('a plain call', function() test.equal(ask(), 7) end)

place('inside pcall', function() test.equal({ pcall(ask, 5) }, { true, 5 }) end)

place('inside an xpcall body', function() test.equal({ xpcall(ask, print, 5) }, { true, 5 }) end)

place('in an xpcall message handler', function()
  test.equal({ xpcall(error, function(message) return message .. ask(5) end, 'e') },
    { false, 'e5' })
end)

place('in an __index function', function()
  test.equal(setmetatable({}, { __index = function(_, key) return ask(key) end })[9], 9)
end)

place('in a __newindex function', function()
  local got
  setmetatable({}, { __newindex = function(_, key, value) got = ask(key) + value end })[9] = 1
  test.equal(got, 10)
end)

place('in arithmetic, comparison, concatenation and length metamethods', function()
  local meta = {}
  for _, name in ipairs { 'add', 'sub', 'mul', 'div', 'mod', 'pow', 'unm', 'idiv', 'band', 'bor',
      'bxor', 'shl',
    'shr', 'bnot', 'concat', 'len' } do
    meta['__' .. name] = function() return ask(3) end
  end
  for _, name in ipairs { 'eq', 'lt', 'le' } do
    meta['__' .. name] = function() return ask(3) == 3 end
  end
  local a, b = setmetatable({}, meta), setmetatable({}, meta)
  test.equal({ a + b, a - b, a * b, a / b, a % b, a ^ b, -a, a // b, a & b, a | b, a ~ b, a << b,
    a >> b, ~a, a .. b, #a },
    { 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3 })
  test.equal({ a == b, a < b, a <= b, a ~= b, a > b, a >= b },
    { true, true, true, false, true, true })
end)

place('in a __call function', function()
  test.equal(setmetatable({}, { __call = function(_, n) return ask(n) end })(4), 4)
end)

place('in a for iterator', function()
  local sum = 0
  for i in function(_, i) return i < 4 and ask(i + 1) or nil end, nil, 0 do sum = sum + i end
  test.equal(sum, 10)
end)

place('in __pairs', function()
  local got = {}
  local function next_key(_, k) return not k and ask(1) or nil end
  local object = setmetatable({}, { __pairs = function() ask(); return next_key end })
  for k in pairs(object) do got[#got + 1] = k end
  test.equal(got, { 1 })
end)

place('in a coroutine.wrap generator that waits between its yields', function()
  local generator = coroutine.wrap(function()
    for i = 1, 3 do coroutine.yield(ask(i)) end
  end)
  test.equal({ generator(), generator(), generator() }, { 1, 2, 3 })
  local co = coroutine.create(function() return ask(8) end)
  test.equal({ coroutine.resume(co) }, { true, 8 })
  test.equal(coroutine.status(co), 'dead')
end)

place('in a table.sort comparator', function()
  local list = { 3, 1, 2 }
  table.sort(list, function(a, b) return ask(a) < b end)
  test.equal(list, { 1, 2, 3 })
end)

place('in a string.gsub callback', function()
  test.equal((('1 2 3'):gsub('%d', function(d) return ask(d) + 1 end)), '2 3 4')
end)

place('in string.gsub with a table that has __index', function()
  local replacements = setmetatable({}, { __index = function(_, d) return ask(d) + 1 end })
  test.equal((('1 2'):gsub('%d', replacements)), '2 3')
end)

place('in require: the module\'s top level', function()
  function package.preload.a_module_that_waits() return { answer = ask(6) } end
  test.equal(require 'a_module_that_waits'.answer, 6)
  package.loaded.a_module_that_waits = nil
  local path = os.tmpname()
  local file = io.open(path, 'w')
  file:write('return { answer = Ask(2) }')
  file:close()
  Ask = ask -- luacheck: ignore
  table.insert(package.searchers, 2, function() return loadfile(path) end)
  test.equal(require 'another_module_that_waits'.answer, 2)
  table.remove(package.searchers, 2)
  package.loaded.another_module_that_waits = nil
  os.remove(path)
end)

place('in dofile', function()
  local path = os.tmpname()
  local file = io.open(path, 'w')
  file:write('return Ask(5)')
  file:close()
  Ask = ask -- luacheck: ignore
  test.equal(dofile(path), 5)
  os.remove(path)
end)

place('in a load reader function', function()
  local pieces = { 'return ', '1 + ', '41' }
  local chunk = load(function() ask(); return table.remove(pieces, 1) end)
  test.equal(chunk(), 42)
end)

place('in __tostring by tostring', function()
  local object = setmetatable({}, { __tostring = function() return 'n' .. ask(1) end })
  test.equal(tostring(object), 'n1')
end)

place('in __tostring by string.format("%s")', function()
  local object = setmetatable({}, { __tostring = function() return 'n' .. ask(2) end })
  test.equal(('%s!'):format(object), 'n2!')
end)

place('in table.unpack and table.concat through __index', function()
  local list = setmetatable({}, { __index = function(_, i) return ask(i) end,
    __len = function() return 3 end })
  test.equal({ table.unpack(list, 1, 3) }, { 1, 2, 3 })
  test.equal(table.concat(list, ','), '1,2,3')
end)

place('in a __gc finalizer it is refused', function()
  ask()
  local message
  setmetatable({}, { __gc = function() message = select(2, pcall(ask)) end })
  collectgarbage()
  collectgarbage()
  test.match(message, 'cannot wait inside a finalizer')
end)

place('in __close on leaving a scope', function()
  local got
  do
    local function close() got = ask(3) end
    local guard <close> = setmetatable({}, { __close = close }) -- luacheck: ignore
  end
  test.equal(got, 3)
end)

place('in __close while an error unwinds', function()
  local got
  local ok, message = pcall(function()
    local function close(_, e) got = e .. ask(3) end
    local guard <close> = setmetatable({}, { __close = close }) -- luacheck: ignore
    error('thrown ', 0)
  end)
  test.equal({ ok, message, got }, { false, 'thrown ', 'thrown 3' })
end)

local found, lpeg = pcall(require, 'lpeg')
if found then
  place('in a C library\'s callback (lpeg.Cmt)', function()
    local number = lpeg.Cmt(lpeg.C(lpeg.R '09' ^ 1),
      function(_, at, digits) return at, ask(digits) + 1 end)
    test.equal({ lpeg.match(number * ',' * number, '41,6') }, { 42, 7 })
  end)
else
  test.skip('in a C library\'s callback (lpeg.Cmt)', 'Debian\'s lua-lpeg is not installed')
end

--- LuaSocket's C core, under a name at which it does not stand in the way of coir's own module.
local function luasocket_core()
  local path = package.searchpath('socket.core', package.cpath)
  local open = path and package.loadlib(path, 'luaopen_socket_core')
  return open and open()
end

local luasocket = luasocket_core()
if luasocket then
  place('inside LuaSocket\'s protect', function()
    test.equal({ luasocket.protect(function() return ask(4), 'x' end)() }, { 4, 'x' })
    local try = luasocket.newtry(function() ask() end)
    test.equal({ luasocket.protect(function() return try(nil, ask(5)) end)() }, { nil, 5 })
  end)
else
  test.skip('inside LuaSocket\'s protect', 'Debian\'s lua-socket is not installed')
end

place('in a debug.sethook hook', function()
  local calls = 0
  debug.sethook(function()
    if calls == 0 then
      calls = 1
      calls = ask(1)
    end
  end, '', 100)
  for _ = 1, 1000 do math.abs(1) end
  debug.sethook()
  test.equal(calls, 1)
end)

test.finish()
