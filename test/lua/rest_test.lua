-- rest_test.lua: fibers that sleep without a C stack, which is where nothing but Lua calls them.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local errno = require 'errno'
local fiber = require 'fiber'

-- The C stack that a fiber needs which sleeps in body(sleep); what the body returns.
local function slept(body, ...)
  local asleep
  local f = fiber.spawn(body, function(seconds)
    asleep = fiber.self()
    fiber.sleep(seconds or 0.001)
  end, ...)
  while not asleep do fiber.yield() end
  local used = f:info().memory.used
  return used, select(2, assert(f:join()))
end

-- Where Lua can leave the C stack, and where C waits for an answer.
local light, heavy = {}, {}

function light.plainly(sleep) sleep(); return 7 end

function light.in_calls(sleep)
  local function deep(n) if n == 0 then sleep() else deep(n - 1) end; return n end
  return deep(100) + 7 - 100
end

function light.in_pcall(sleep)
  local ok, a, b = pcall(function(...) sleep(); return ... end, 3, 4)
  return ok and a + b
end

function light.in_xpcall(sleep)
  local _, message = xpcall(function() sleep(); error('late', 0) end, function(m) return m .. '!' end)
  return message == 'late!' and 7
end

function light.in_metamethods(sleep)
  local asked = 0
  local function answer(value) return function() sleep(); asked = asked + 1; return value end end
  local t = setmetatable({}, { __index = answer(7), __add = answer(7), __lt = answer(true),
    __call = answer(7), __concat = answer('x'), __eq = answer(true), __len = answer(7),
    __newindex = answer() })
  t.x = 1
  local all = t.x == 7 and t + 1 == 7 and t < t and t() == 7 and t .. t == 'x' and #t == 7 and
    t == setmetatable({}, getmetatable(t))
  return all and asked - 1
end

function light.in_an_iterator(sleep)
  local sum = 0
  for i in function(_, i) sleep(); return i < 4 and i + 1 or nil end, nil, 1 do sum = sum + i end
  return sum - 2
end

function light.while_something_is_to_be_closed(sleep)
  local closed
  do
    local _ <close> = setmetatable({}, { __close = function() sleep(); closed = 7 end })
    sleep()
  end
  return closed
end

function light.in_pairs(sleep)
  local t = setmetatable({}, { __pairs = function() sleep(); return next, { 7 } end })
  local sum = 0
  for _, value in pairs(t) do sum = sum + value end
  return sum
end

function heavy.in_sort(sleep)
  local t = { 2, 1 }
  table.sort(t, function(a, b) sleep(); return a < b end)
  return t[1] + 6
end

function heavy.in_gsub(sleep)
  return #string.gsub('x', 'x', function() sleep(); return 'sevenxx' end)
end

function heavy.in_a_coroutine(sleep)
  return coroutine.wrap(function() sleep(); coroutine.yield(7) end)()
end

function heavy.in_a_message_handler(sleep)
  local _, message = xpcall(error, function() sleep(); return 7 end)
  return message
end

function heavy.in_tostring(sleep)
  return #tostring(setmetatable({}, { __tostring = function() sleep(); return 'sevenxx' end }))
end

for name, body in pairs(light) do
  test.case('no C stack: ' .. name:gsub('_', ' '), function()
    local used, result = slept(body)
    test.equal({ used, result }, { 0, 7 })
  end)
end

for name, body in pairs(heavy) do
  test.case('a C stack: ' .. name:gsub('_', ' '), function()
    local used, result = slept(body)
    test.ok(used > 0)
    test.equal(result, 7)
  end)
end

test.case('arguments and results pass by a sleep', function()
  local f = fiber.spawn(function(...)
    local n = select('#', ...)
    fiber.sleep(0.001)
    return n, ...
  end, nil, 2, nil)
  test.equal(table.pack(f:join()), { n = 5, true, 3, nil, 2, nil })
  test.equal({ fiber.spawn(fiber.sleep, 0.001):join() }, { true })
end)

test.case('an error after a sleep is caught where it would have been before', function()
  local f = fiber.spawn(function()
    local log = {}
    local ok, message = pcall(function()
      local _ <close> = setmetatable({}, { __close = function(_, e)
        fiber.sleep(0.001)
        log[1] = e
      end })
      fiber.sleep(0.001)
      error('after', 0)
    end)
    return ok, message, log[1]
  end)
  test.equal({ f:join() }, { true, false, 'after', 'after' })
end)

test.case('an error that ends a fiber after a sleep says where', function()
  local closed
  local f = fiber.spawn(function()
    local _ <close> = setmetatable({}, { __close = function(_, e)
      fiber.sleep(0.001)
      closed = e
    end })
    fiber.sleep(0.001)
    local function fails() error('after', 0) end
    fails()
  end)
  test.equal({ f:join() }, { false, 'after' })
  test.equal(closed, 'after')
  test.match(f:traceback(), "^stack traceback:\n\t%[C%]: in function 'error'\n.*in local 'fails'")
  local last = f:traceback():match('([^\n]*)$')
  test.match(last, 'rest_test.lua:%d+: in function <')
end)

test.case('an error on the way out takes the place of the first', function()
  local f = fiber.spawn(function()
    local _ <close> = setmetatable({}, { __close = function() error('second', 0) end })
    fiber.sleep(0.001)
    error('first', 0)
  end)
  test.equal({ f:join() }, { false, 'second' })
end)

test.case('who sleeps can be woken, cancelled and looked at', function()
  local f = fiber.spawn(function() fiber.sleep(100); return 'woken' end)
  fiber.yield()
  test.equal(f:status(), 'suspended')
  test.match(f:info().waiting, '^sleep, ')
  test.match(f:traceback(), "fiber%.sleep'\n\t[^\n]*rest_test.lua:%d+: in function <[^\n]*$")
  f:wakeup()
  test.equal({ f:join() }, { true, 'woken' })
  local caught
  f = fiber.spawn(function() caught = select(2, pcall(fiber.sleep, 100)); fiber.sleep(100) end)
  fiber.yield()
  f:cancel()
  local ok, message = f:join()
  test.equal({ ok, tostring(message) }, { false, 'fiber is cancelled' })
  test.ok(fiber.is_cancelled(caught))
end)

test.case('a fiber stays who it is', function()
  local f = fiber.spawn(function()
    local self, id = fiber.self(), fiber.id()
    fiber.name('sleeper')
    self.storage.x = 7
    errno(errno.ERANGE)
    local thread = coroutine.running()
    fiber.sleep(0.001)
    return errno() == errno.ERANGE, rawequal(fiber.self(), self), fiber.id() == id, fiber.name(),
      fiber.self().storage.x, coroutine.running() == thread
  end)
  test.equal({ f:join() }, { true, true, true, true, 'sleeper', 7, true })
end)

test.case('the Lua thread of a fiber that sleeps can be neither resumed nor closed by others', function()
  local thread
  local f = fiber.spawn(function()
    thread = coroutine.running()
    fiber.sleep(0.02)
    return 'slept'
  end)
  fiber.yield()
  test.equal(coroutine.status(thread), 'normal')
  test.equal({ coroutine.resume(thread, 'x') }, { false, 'cannot resume non-suspended coroutine' })
  test.raises('cannot close a normal coroutine', coroutine.close, thread)
  test.equal(f:status(), 'suspended')
  test.equal({ f:join() }, { true, 'slept' })
  test.equal(coroutine.status(thread), 'dead')
  test.equal({ coroutine.resume(thread) }, { false, 'cannot resume dead coroutine' })
end)

test.case('nor can that of a fiber that has not begun', function()
  local thread
  fiber.spawn(function() thread = coroutine.running() end):join()
  local f = fiber.spawn(function() return coroutine.running() end)
  test.equal(coroutine.status(thread), 'normal')
  test.equal({ coroutine.resume(thread, 'x') }, { false, 'cannot resume non-suspended coroutine' })
  test.raises('cannot close a normal coroutine', coroutine.close, thread)
  local _, same = f:join()
  test.equal(same, thread)
end)

test.case('the functions for coroutines say of anything else what they said before', function()
  local co = coroutine.create(function() coroutine.yield(7) end)
  test.equal(coroutine.status(co), 'suspended')
  test.equal({ coroutine.resume(co) }, { true, 7 })
  test.equal({ coroutine.close(co) }, { true })
  test.equal(coroutine.status(co), 'dead')
  test.raises("bad argument #1 to 'coroutine.resume' %(%a+ expected, got number%)", coroutine.resume, 1)
  test.raises("bad argument #1 to 'coroutine.close' %(%a+ expected, got no value%)", coroutine.close)
  test.equal({ fiber.spawn(function() return coroutine.status(coroutine.running()) end):join() },
    { true, 'running' })
end)

test.case('the module can be opened again', function()
  local opened = package.loaded['coir.fiber']
  package.loaded['coir.fiber'] = nil
  require 'coir.fiber'
  package.loaded['coir.fiber'] = opened
  test.equal(coroutine.status(coroutine.create(print)), 'suspended')
  test.equal({ coroutine.resume(coroutine.create(function() return 7 end)) }, { true, 7 })
end)

test.case('ten thousand sleepers are small, and their memory comes back', function()
  local function resident_kib()
    collectgarbage()
    collectgarbage()
    local statm <close> = io.open('/proc/self/statm')
    local _, pages = statm:read('n', 'n')
    return pages * 4
  end
  local function come_and_go()
    local fibers = {}
    for i = 1, 10000 do fibers[i] = fiber.spawn(fiber.sleep, 100) end
    fiber.yield()
    local most = resident_kib()
    for _, f in ipairs(fibers) do f:wakeup() end
    for _, f in ipairs(fibers) do f:join() end
    return most
  end
  local before = resident_kib()
  local most = come_and_go()
  local after = resident_kib()
  come_and_go()
  if child.sanitized() then return end -- freed memory is kept to be watched
  test.ok(most - before < 26000, most - before .. ' KiB')
  test.ok(resident_kib() - after < 4000, resident_kib() - after .. ' KiB more')
end)

test.finish()
