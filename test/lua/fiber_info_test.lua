-- fiber_info_test.lua: what a fiber tells of itself: id, name, status, storage, info, traceback,
-- top.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local fiber = require 'fiber'
local socket = require 'socket'

local function parked(...)
  local f = fiber.create(...)
  return f, function() f:cancel(); fiber.yield() end
end

test.case('self is the same object each time', function()
  test.ok(rawequal(fiber.self(), fiber.self()))
  local inside
  local f = fiber.create(function() inside = fiber.self() end)
  test.ok(rawequal(f, inside))
end)

test.case('ids are numbers that grow and are not used again', function()
  local f, g = fiber.new(print and function() end), fiber.new(function() end)
  test.equal(math.type(f:id()), 'integer')
  test.ok(f:id() > 100 and g:id() > f:id())
  test.equal(fiber.id(f), f:id())
  test.equal(fiber.id(), fiber.self():id())
  fiber.yield()
  test.ok(fiber.new(function() end):id() > g:id())
  test.equal(f:id() < g:id(), true)
end)

test.case('find gives the living fiber of an id', function()
  local f, finish = parked(fiber.sleep, 100)
  test.ok(rawequal(fiber.find(f:id()), f))
  finish()
  test.equal(fiber.find(f:id()), nil)
  test.equal(fiber.find(-1), nil)
  test.raises('number expected', fiber.find)
  test.raises('number expected', fiber.find, 'x')
  test.raises('integer', fiber.find, 1.5)
end)

test.case('status is running, suspended or dead', function()
  test.equal(fiber.status(), 'running')
  test.equal(fiber.self():status(), 'running')
  local f, finish = parked(fiber.sleep, 100)
  test.equal(f:status(), 'suspended')
  test.equal(fiber.status(f), 'suspended')
  finish()
  test.equal(f:status(), 'dead')
  local joinable = fiber.spawn(function() end)
  fiber.yield()
  test.equal(joinable:status(), 'dead')
  test.raises('fiber', fiber.status, {})
  test.raises('fiber', fiber.status, 5)
end)

test.case('tostring says the id, and that it is dead', function()
  local f, finish = parked(fiber.sleep, 100)
  test.equal(tostring(f), 'fiber: ' .. f:id())
  finish()
  test.equal(tostring(f), 'fiber: ' .. f:id() .. ' (dead)')
end)

test.case('a name is lua until another is given', function()
  local f, finish = parked(fiber.sleep, 100)
  test.equal(f:name(), 'lua')
  test.equal(select('#', f:name('worker')), 0)
  test.equal(f:name(), 'worker')
  test.equal(fiber.name(f), 'worker')
  fiber.name(f, '')
  test.equal(f:name(), '')
  f:name(42)
  test.equal(f:name(), '42')
  finish()
  test.raises('the fiber is dead', f.name, f)
  test.raises('the fiber is dead', f.name, f, 'late')
end)

test.case('fiber.name without a fiber is about the caller', function()
  fiber.name('myself')
  test.equal(fiber.name(), 'myself')
  test.equal(fiber.self():name(), 'myself')
end)

test.case('the main fiber has the name of the script', function()
  local found
  for _, row in pairs(fiber.info()) do found = found or row.name == 'fiber_info_test.lua' end
  test.ok(found)
end)

test.case('a name has at most 255 bytes', function()
  local f, finish = parked(fiber.sleep, 100)
  f:name(('n'):rep(255))
  test.equal(#f:name(), 255)
  test.raises('Fiber name is too long', f.name, f, ('n'):rep(256))
  test.raises('Fiber name is too long', f.name, f, ('n'):rep(256), { truncate = false })
  f:name(('m'):rep(300), { truncate = true })
  test.equal(f:name(), ('m'):rep(255))
  test.raises('string expected', f.name, f, {})
  finish()
end)

test.case('storage is a table of the fiber\'s own, reachable from outside', function()
  local f, finish = parked(function()
    fiber.self().storage.inner = 1
    fiber.sleep(100)
  end)
  test.equal(f.storage.inner, 1)
  f.storage.outer = 2
  test.ok(rawequal(f.storage, f.storage))
  test.equal(fiber.self().storage.inner, nil)
  finish()
  test.raises('the fiber is dead', function() return f.storage end)
end)

test.case('a handle has no other fields', function()
  local f = fiber.self()
  test.equal(f.nothing, nil)
  test.equal(f[1], nil)
  test.raises('index', function() f.field = 1 end)
end)

test.case('csw counts one for each switch away', function()
  local counts = {}
  local f = fiber.spawn(function()
    local self = fiber.self()
    counts[1] = self:csw()
    fiber.yield()
    counts[2] = self:csw()
    fiber.sleep(0.001)
    counts[3] = self:csw()
    counts[4] = fiber.info()[self:id()].csw
  end)
  f:join()
  test.equal({ counts[2] - counts[1], counts[3] - counts[2], counts[4] }, { 1, 1, counts[3] })
end)

test.case('info has a row for each living fiber', function()
  local f, finish = parked(fiber.sleep, 100)
  f:name('sleeper')
  local row = fiber.info()[f:id()]
  test.equal({ row.name, row.fid, row.status, row.csw },
    { 'sleeper', f:id(), 'suspended', f:csw() })
  test.equal(math.type(row.time), 'float')
  test.equal({ math.type(row.memory.used), math.type(row.memory.total) }, { 'integer', 'integer' })
  test.ok(row.memory.total > 500 * 1024)
  test.equal(row.memory.used, 0) -- it sleeps
  test.equal(row.backtrace, nil)
  test.equal(fiber.info()[fiber.id()].status, 'running')
  finish()
  test.equal(fiber.info()[f:id()], nil)
end)

test.case('info tells how much of its stack a fiber uses', function()
  local cond = fiber.cond()
  local f, finish = parked(cond.wait, cond)
  local used = f:info().memory.used
  test.ok(used > 0 and used < 4096)
  finish()
  f, finish = parked(function()
    string.gsub('x', 'x', function() fiber.sleep(100) end) -- C's frames are in between
  end)
  test.ok(f:info().memory.used > used)
  finish()
end)

test.case('f:info is that row', function()
  local f, finish = parked(fiber.sleep, 100)
  test.equal({ f:info().fid, f:info().status }, { f:id(), 'suspended' })
  test.match(f:info({ backtrace = true }).backtrace, "fiber%.sleep'")
  finish()
  test.raises('the fiber is dead', f.info, f)
end)

test.case('created says file and line', function()
  local f = fiber.new(function() end)
  local line = debug.getinfo(1, 'l').currentline - 1
  test.equal(f:info().created:match('fiber_info_test%.lua:(%d+)$'), tostring(line))
end)

test.case('waiting says what for, and since when', function()
  local f, finish = parked(fiber.sleep, 100)
  test.match(f:info().waiting, '^sleep, 0%.%d s of 100%.0 s$')
  finish()
  test.equal(fiber.self():info().waiting, nil)
  local channel = fiber.channel()
  f, finish = parked(channel.get, channel)
  test.match(f:info().waiting, '^channel get, 0%.%d s$')
  finish()
  f, finish = parked(channel.put, channel, 1, 5)
  test.match(f:info().waiting, '^channel put, 0%.%d s of 5%.0 s$')
  finish()
  local cond = fiber.cond()
  f, finish = parked(cond.wait, cond)
  test.match(f:info().waiting, '^cond, ')
  finish()
end)

test.case('waiting names the descriptor and the peer of a socket', function()
  local a, b = loopback.pair()
  local f, finish = parked(a.read, a, 10, 2)
  test.match(f:info().waiting, ('^read fd %d peer 127%%.0%%.0%%.1:%d, 0%%.%%d s of 2%%.0 s$')
    :format(a:fd(), b:name().port))
  finish()
  local listener = loopback.listener()
  f, finish = parked(listener.accept, listener)
  test.match(f:info().waiting, ('^read fd %d, 0%%.%%d s$'):format(listener:fd()))
  finish()
  local left, _ = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
  f, finish = parked(left.recv, left)
  test.match(f:info().waiting, '^read fd %d+ peer unix/:, ')
  finish()
end)

test.case('info with backtrace or bt shows where each stands', function()
  local function deep() fiber.sleep(100) end
  local f, finish = parked(function() deep() end)
  for _, option in ipairs { 'backtrace', 'bt' } do
    local row = fiber.info({ [option] = true })[f:id()]
    test.match(row.backtrace, "in upvalue 'deep'")
  end
  test.equal(fiber.info({ backtrace = false })[f:id()].backtrace, nil)
  finish()
end)

test.case('traceback shows where a parked fiber stands, from any fiber', function()
  local function deep() fiber.sleep(100) end
  local f, finish = parked(function() deep() end)
  test.match(f:traceback(), '^stack traceback:\n\t%[C%]: in function \'[%w.]*fiber%.sleep\'\n')
  test.match(f:traceback(), "in upvalue 'deep'")
  test.match(fiber.traceback(f), 'fiber_info_test%.lua:%d+: in function <')
  local seen
  fiber.spawn(function() seen = f:traceback() end):join()
  test.equal(seen, f:traceback())
  finish()
end)

test.case('traceback of the caller, and of a fiber that has not run', function()
  test.match(fiber.traceback(), 'fiber_info_test%.lua')
  test.match(fiber.self():traceback(), 'fiber_info_test%.lua')
  local f = fiber.new(function() end)
  test.match(f:traceback(), 'stack traceback:')
  test.raises('fiber', fiber.traceback, 5)
end)

test.case('traceback of a fiber that stands in fiber.create shows where, also in a coroutine', function()
  local function inner(creator)
    local seen
    fiber.create(function() seen = creator:traceback() end)
    return seen
  end
  test.match(inner(fiber.self()), "^stack traceback:\n\t%[C%]: in function '[%w.]*fiber%.%w+'\n.*'inner'")
  local text = coroutine.wrap(function() return (inner(fiber.self())) end)()
  test.match(text, "'inner'.*\nin coroutine of")
end)

test.case('traceback of a fiber that was created inside fiber.create', function()
  local created, finish
  local function wait() fiber.sleep(100) end
  fiber.create(function() created, finish = parked(function() wait() end) end)
  test.match(created:traceback(), "in upvalue 'wait'")
  finish()
end)

test.case('traceback shows the coroutine in which a fiber waits', function()
  local function inner() fiber.sleep(100) end
  local f, finish = parked(function() coroutine.wrap(function() inner() end)() end)
  test.match(f:traceback(), "in upvalue 'inner'")
  test.match(f:traceback(), 'in coroutine of')
  finish()
end)

test.case('top is refused until it is enabled', function()
  test.raises('fiber%.top%(%) is disabled', fiber.top)
  fiber.top_enable()
  local f, finish = parked(function() while true do fiber.yield() end end)
  f:name('spinner')
  local busy = fiber.clock() + 0.02
  while fiber.clock() < busy do fiber.yield() end
  local top = fiber.top()
  test.equal(math.type(top.cpu_misses), 'integer')
  local row = top.cpu[f:id() .. '/spinner']
  for _, field in ipairs { 'instant', 'average', 'time' } do
    test.ok(row[field] >= 0, field)
  end
  test.ok(row.time > 0 and row.average <= 100.5)
  fiber.top_disable()
  test.raises('is disabled', fiber.top)
  finish()
end)

test.case('info counts the time that a fiber has run, once accounting is on', function()
  fiber.top_enable()
  local f, finish = parked(function()
    fiber.yield()
    local busy = fiber.clock() + 0.01
    while fiber.clock() < busy do end
    fiber.sleep(100)
  end)
  fiber.yield()
  test.ok(f:info().time >= 0.009)
  fiber.top_disable()
  finish()
end)

test.case('each of thousands of fibers is found by its id, while it is alive', function()
  local gate, ids = fiber.cond(), {}
  for i = 1, 3000 do ids[i] = fiber.create(gate.wait, gate):id() end
  for i = 1, 3000, 3 do fiber.kill(ids[i]) end
  fiber.yield()
  for i = 1, 3000 do
    local found = fiber.find(ids[i])
    test.equal(found and found:id(), i % 3 ~= 1 and ids[i] or nil)
  end
  gate:broadcast()
  fiber.yield()
  test.equal(fiber.find(ids[2]), nil)
  test.equal(fiber.find(-1), nil)
end)

test.finish()
