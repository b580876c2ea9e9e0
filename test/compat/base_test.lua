-- base_test.lua: what the modules for other systems share.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local base = require 'coir.compat.base'
local fiber = require 'fiber'
local test = require 'test'

-- -- Loggers ----------------------------------------------------------------------------------------

for expected, value in pairs {
  ['text'] = 'text', ['1'] = 1, ['2'] = 2.0, ['1.5'] = 1.5, ['(true)'] = true, ['(false)'] = false,
  ['-7'] = -7, ['inf'] = math.huge,
  ['an object'] = setmetatable({}, { __tostring = function() return 'an object' end }),
} do
  test.case('show: ' .. expected, function() test.equal(base.show(value), expected) end)
end

test.case('show: nil, and what has no text of its own', function()
  test.equal(base.show(nil), '(null)')
  test.match(base.show {}, '^table_0x%x+$')
  test.match(base.show(print), '^function_')
  test.match(base.show(setmetatable({}, { __tostring = error })), '^table_')
  test.match(base.show(setmetatable({}, { __metatable = 'locked' })), '^table_')
end)

test.case('loggers concatenate without a separator, return nothing, and take nothing', function()
  local lines = vendetta.logged(function()
    test.equal(select('#', base.log.NOTE('a', 1.0, nil, true)), 0)
    base.log.ERROR(nil)
    base.log.WARN()
  end)
  test.equal(lines, { 'NOTE a1(null)(true)', 'ERROR (null)', 'WARN ' })
end)

test.case('the level says what is shown', function()
  local level = base.log.level
  test.equal(level, 6)
  local lines = vendetta.logged(function()
    base.log.INFO('shown')
    base.log.DEBUG('not shown')
    base.log.level = 8
    base.log.TRACE('shown')
    base.log.level = 0
    base.log.FATAL('not shown')
    base.log.level = level
  end)
  test.equal(lines, { 'INFO shown', 'TRACE shown' })
end)

test.case('a sink that fails does no harm', function()
  local sink = base.log.sink
  base.log.sink = error
  base.log.ERROR('x')
  base.log.sink = sink
end)

-- -- Events -----------------------------------------------------------------------------------------

test.case('call returns what the function returns; an error is logged and returns nothing', function()
  test.equal(table.pack(base.call(function(...) return ... end, 1, nil, 3)), { n = 3, 1, nil, 3 })
  local lines = vendetta.logged(function()
    test.equal(select('#', base.call(error, 'wrong')), 0)
    test.equal(select('#', base.call(error)), 0)
  end)
  test.equal(#lines, 2)
  test.match(lines[1], '^ERROR wrong\nstack traceback:')
end)

test.case('fire looks the handler up when its turn comes, in the object itself', function()
  local object = setmetatable({}, { __index = { on_event = error } })
  test.equal(select('#', base.fire(object, 'on_event')), 0)
  object.on_event = function(a, b)
    object.on_event = function() return 'replaced' end
    return a, b
  end
  test.equal({ base.fire(object, 'on_event', 1, 2) }, { 1, 2 })
  test.equal(base.fire(object, 'on_event'), 'replaced')
  object.on_event = nil
  test.equal(base.fire(object, 'on_event'), nil)
end)

test.case("an object's handlers run one at a time, in the order in which they were fired", function()
  local order, object = {}, {}
  function object.on_event(i)
    order[#order + 1] = i
    fiber.yield()
    order[#order + 1] = -i
    if i == 2 then error('in the second') end
  end
  local lines = vendetta.logged(function()
    local fibers = {}
    for i = 1, 4 do fibers[i] = fiber.spawn(base.fire, object, 'on_event', i) end
    for i = 1, 4 do fibers[i]:join(10) end
  end)
  test.equal(order, { 1, -1, 2, -2, 3, -3, 4, -4 })
  test.equal(#lines, 1)
end)

test.case("two objects' handlers do not wait for each other", function()
  local go, ran = fiber.cond(), false
  local slow = { on_event = function() go:wait(10) end }
  local waiting = fiber.spawn(base.fire, slow, 'on_event')
  test.settle()
  base.fire({ on_event = function() ran = true end }, 'on_event')
  test.ok(ran)
  go:signal()
  test.ok(waiting:join(10))
end)

test.case('a handler that fires an event of its own object does not wait for itself', function()
  local object, order = {}, {}
  function object.outer()
    order[#order + 1] = base.fire(object, 'inner')
    order[#order + 1] = base.in_turn(object, function() return 'in turn' end)
  end
  function object.inner() return 'inner' end
  base.fire(object, 'outer')
  test.equal(order, { 'inner', 'in turn' })
end)

test.case('cancellation in a handler is raised and not logged, and the next has its turn', function()
  local object = { on_event = function() fiber.sleep(100) end }
  local lines = vendetta.logged(function()
    local first = fiber.spawn(base.fire, object, 'on_event')
    local second = fiber.spawn(base.fire, object, 'quick')
    test.settle()
    object.quick = function() return 'quick' end
    first:cancel()
    local ok, problem = first:join(10)
    test.equal({ ok, fiber.is_cancelled(problem) }, { false, true })
    test.equal({ second:join(10) }, { true, 'quick' })
  end)
  test.equal(lines, {})
end)

test.case('who is cancelled while it waits for its turn does not run', function()
  local go, ran = fiber.cond(), false
  local object = { slow = function() go:wait(10) end, never = function() ran = true end }
  local first = fiber.spawn(base.fire, object, 'slow')
  local second = fiber.spawn(base.fire, object, 'never')
  test.settle()
  second:cancel()
  second:join(10)
  go:signal()
  test.ok(first:join(10))
  test.equal(ran, false)
  test.equal(base.fire(object, 'never'), nil)
  test.equal(ran, true)
end)

test.case('spawn runs later, in a fiber with this name; its error is logged', function()
  local name
  local lines = vendetta.logged(function()
    base.spawn('a name', function(value)
      name = fiber.self():name()
      error(value)
    end, 'wrong')
    test.equal(name, nil)
    test.settle()
  end)
  test.equal(name, 'a name')
  test.match(lines[1], '^ERROR .*wrong')
end)

test.case('keep and release', function()
  local weak = setmetatable({}, { __mode = 'k' })
  do
    local object = base.keep {}
    weak[object] = true
  end
  collectgarbage()
  local object = next(weak)
  test.ok(object)
  base.release(object)
  base.release(object)
  object = nil -- luacheck: ignore
  collectgarbage()
  test.equal(next(weak), nil)
end)

-- -- Addresses --------------------------------------------------------------------------------------

for _, case in ipairs {
  { { '127.0.0.1:80' }, '127.0.0.1', 80 },
  { { '127.0.0.1', 80 }, '127.0.0.1', 80 },
  { { '127.0.0.1', '80' }, '127.0.0.1', 80 },
  { { '127.0.0.1', 80.0 }, '127.0.0.1', 80 },
  { { 'name:0' }, 'name', 0 },
  { { '[::1]:65535' }, '::1', 65535 },
  { { '::1', 80 }, '::1', 80 },
  { { '[::1]', 80 }, '::1', 80 },
  { { 1234 }, '0.0.0.0', 1234 },
  { { '1234' }, '0.0.0.0', 1234 },
  { { 0 }, '0.0.0.0', 0 },
} do
  test.case('parse: ' .. table.concat(case[1], ', '), function()
    test.equal({ base.parse(table.unpack(case[1])) }, { case[2], case[3] })
  end)
end

for _, arguments in ipairs {
  { 'host' }, { '' }, { ':80' }, { 'host:' }, { 'host:x' }, { 'host:65536' }, { 'host:-1' }, { 'host', 'x' }, { 'host', 1.5 },
  { 65536 }, { -1 }, { 1.5 }, { '::1' }, { '' , 80 }, { true, 80 }, { {} }, { 'host', {} }, {},
} do
  test.case(('parse refuses %s, %s'):format(tostring(arguments[1]), tostring(arguments[2])), function()
    test.fails('EINVAL', base.parse(arguments[1], arguments[2]))
  end)
end

test.case('format', function()
  test.equal(base.format('127.0.0.1', 80), '127.0.0.1:80')
  test.equal(base.format('::1', 80.0), '[::1]:80')
end)

test.case('resolve leaves numeric addresses as they are', function()
  for _, ip in ipairs { '127.0.0.1', '::1', '0.0.0.0', 'fe80::1%lo' } do test.equal(base.resolve(ip), ip) end
  test.equal(base.resolve('localhost'), '127.0.0.1')
end)

test.case('listen and connect, IPv4 and IPv6', function()
  for _, host in ipairs { '127.0.0.1', '::1', 'localhost' } do
    local listener = assert(base.listen(host, 0))
    test.equal(listener:getsockopt('SOL_SOCKET', 'SO_REUSEADDR'), 1)
    local s = assert(base.connect(host, listener:name().port, 10))
    test.ok(listener:accept(10))
    test.fails('EADDRINUSE', base.listen(host, listener:name().port))
    s:close()
    listener:close()
  end
end)

test.case('connect and listen fail with a message', function()
  test.fails('ECONNREFUSED', base.connect('127.0.0.1', vendetta.dead_port()))
  test.fails('EADDRNOTAVAIL', base.listen('192.0.2.1', 0))
  test.fails(nil, base.connect('no such name', 80, 10))
  test.fails(nil, base.listen('no such name', 80))
end)

test.finish()
