-- fiber_join_test.lua: join, what it hands over, and the traceback of a failed fiber.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local errno = require 'errno'
local fiber = require 'fiber'

test.case('join returns true and all results, nils among them', function()
  local f = fiber.spawn(function() return 1, nil, 'x', nil end)
  test.equal(table.pack(f:join()), { true, 1, nil, 'x', nil, n = 5 })
  test.equal(table.pack(fiber.spawn(function() end):join()), { true, n = 1 })
end)

test.case('a hundred thousand results are handed over, and no more than a Lua stack holds', function()
  local f = fiber.spawn(function() return table.unpack({}, 1, 100000) end)
  test.equal(select('#', f:join()), 100001)
  local ok, message = fiber.spawn(table.unpack, {}, 1, 999980):join()
  test.equal(ok, false)
  test.match(message, 'too many results')
end)

test.case('results stay with a handle whose Lua thread others have used since', function()
  local results = {}
  for i = 1, 300 do results[i] = fiber.spawn(function() return i, -i end) end
  fiber.yield()
  for _ = 1, 300 do fiber.spawn(function() return 'other', 'values' end):join() end
  for i = 1, 300 do test.equal({ results[i]:join() }, { true, i, -i }) end
end)

test.case('fiber.join takes the handle or the id', function()
  test.equal({ fiber.join(fiber.spawn(function() return 5 end)) }, { true, 5 })
  local f = fiber.spawn(function() fiber.yield(); return 6 end)
  test.equal({ fiber.join(f:id()) }, { true, 6 })
end)

test.case('join waits until the fiber has ended', function()
  local f = fiber.spawn(function() fiber.sleep(0.02); return 'late' end)
  test.equal({ test.takes(0.015, 5, f.join, f) }, { true, 'late' })
end)

test.case('a finished fiber can be joined, at once and as often as one likes', function()
  local f = fiber.spawn(function() return 'kept' end)
  fiber.yield()
  test.equal(f:status(), 'dead')
  for _ = 1, 3 do test.equal({ f:join() }, { true, 'kept' }) end
end)

test.case('several fibers may join the same one', function()
  local f = fiber.spawn(function() fiber.sleep(0.005); return 'shared' end)
  local joiners = {}
  for i = 1, 5 do joiners[i] = fiber.spawn(function() return f:join() end) end
  for i = 1, 5 do test.equal({ joiners[i]:join() }, { true, true, 'shared' }) end
end)

test.case('the thrown value itself arrives', function()
  local thrown = { code = 5 }
  local values = { thrown, 'text', 42, false, print, coroutine.create(print) }
  for _, value in ipairs(values) do
    local f = fiber.spawn(function() error(value, 0) end)
    local ok, got = f:join()
    test.equal(ok, false)
    test.ok(rawequal(got, value))
  end
  test.equal(table.pack(fiber.spawn(error):join()), { false, nil, n = 2 })
end)

test.case('a thrown message has its place', function()
  local f = fiber.spawn(function() error('broken') end)
  local _, message = f:join()
  test.match(message, '^.*fiber_join_test%.lua:%d+: broken$')
end)

test.case('errors of Lua itself arrive too', function()
  local _, message = fiber.spawn(function() return nil + 1 end):join()
  test.match(message, 'attempt to perform arithmetic on a nil value')
  local function deeper() return 1 + deeper() end
  _, message = fiber.spawn(deeper):join()
  test.match(message, 'stack overflow')
end)

test.case('the traceback of a failed fiber shows where it failed', function()
  local function culprit() error({}) end
  local f = fiber.spawn(function() culprit() end)
  f:join()
  test.match(f:traceback(), 'stack traceback:')
  test.match(f:traceback(), "in upvalue 'culprit'")
  test.equal(fiber.traceback(f), f:traceback())
end)

test.case('the traceback of a fiber that ended well is empty', function()
  local f = fiber.spawn(function() end)
  f:join()
  test.equal(f:traceback(), '')
end)

test.case('a fiber that is not joinable cannot be joined', function()
  local f = fiber.new(fiber.sleep, 10)
  test.raises('the fiber is not joinable', f.join, f)
  f:cancel()
  fiber.yield()
  test.raises('the fiber is dead', f.join, f)
  test.raises('the fiber is dead', fiber.join, 123456789)
end)

test.case('set_joinable makes it so, and undoes it', function()
  local f = fiber.new(function() return 1 end)
  f:set_joinable(true)
  test.equal({ f:join() }, { true, 1 })
  f = fiber.spawn(fiber.sleep, 10)
  fiber.set_joinable(f, false)
  test.raises('the fiber is not joinable', f.join, f)
  test.raises('boolean expected', f.set_joinable, f)
  test.raises('boolean expected', f.set_joinable, f, 1)
  f:cancel()
  fiber.yield()
  test.raises('the fiber is dead', f.set_joinable, f, true)
end)

test.case('a fiber that stops being joinable while another joins it makes that one raise', function()
  local finish = fiber.channel(0)
  local f = fiber.spawn(finish.get, finish)
  local joiner = fiber.spawn(f.join, f)
  test.eventually(function() return joiner:status() == 'suspended' and finish:has_readers() end)
  f:set_joinable(false)
  finish:put('result')
  local ok, message = joiner:join()
  test.equal({ ok, f:status() }, { false, 'dead' })
  test.match(message, 'the fiber is not joinable')
end)

test.case('joining oneself raises', function()
  local f
  f = fiber.spawn(function() f:join() end)
  local ok, message = f:join()
  test.equal(ok, false)
  test.match(message, 'cannot join itself')
end)

test.case('join gives up after its timeout, and the fiber goes on', function()
  local f = fiber.spawn(function() fiber.sleep(0.05); return 'done' end)
  test.equal({ test.takes(0.004, 5, f.join, f, 0.005) }, { false, 'timed out', errno.ETIMEDOUT })
  for _, timeout in ipairs { 0, -1, -math.huge } do
    test.equal({ f:join(timeout) }, { false, 'timed out', errno.ETIMEDOUT })
  end
  test.equal({ f:join(math.huge) }, { true, 'done' })
  test.equal({ f:join(0) }, { true, 'done' })
end)

test.case('a timeout that is no number, or NaN, raises', function()
  local f = fiber.spawn(function() end)
  test.raises('NaN', f.join, f, 0 / 0)
  test.raises('number expected', f.join, f, 'soon')
  test.raises('number expected', f.join, f, {})
end)

test.case('join takes fibers only', function()
  test.raises('fiber', fiber.join, {})
  test.raises('fiber', fiber.join)
  test.raises('fiber', fiber.join, io.stdout)
end)

test.case('join is a cancellation point', function()
  local f = fiber.spawn(fiber.sleep, 100)
  local joiner = fiber.spawn(function() return f:join() end)
  fiber.yield()
  joiner:cancel()
  local ok, err = joiner:join()
  test.equal(ok, false)
  test.ok(fiber.is_cancelled(err))
  test.equal(f:status(), 'suspended')
end)

test.case('a cancelled fiber joins nothing, not even a finished one', function()
  local done = fiber.spawn(function() end)
  done:join()
  local joiner = fiber.spawn(function() return pcall(done.join, done) end)
  joiner:cancel()
  local _, ok, err = joiner:join()
  test.equal(ok, false)
  test.ok(fiber.is_cancelled(err))
end)

test.case('a cancelled fiber hands over its cancellation', function()
  local f = fiber.spawn(fiber.sleep, 100)
  fiber.yield()
  f:cancel()
  local ok, err = f:join()
  test.equal(ok, false)
  test.ok(fiber.is_cancelled(err))
  test.equal(tostring(err), 'fiber is cancelled')
end)

test.case('fibers that nobody joins are collected with their results', function()
  local weak = setmetatable({}, { __mode = 'v' })
  for i = 1, 100 do
    weak[i] = fiber.spawn(function() return ('x'):rep(1000) end)
  end
  fiber.yield()
  collectgarbage()
  collectgarbage()
  test.equal(next(weak), nil)
end)

test.finish()
