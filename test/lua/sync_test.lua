-- sync_test.lua: fiber.mutex, fiber.semaphore and fiber.wait_group.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local fiber = require 'fiber'

local function check_cancelled(f)
  local ok, err = f:join()
  test.equal(ok, false)
  test.ok(fiber.is_cancelled(err))
end

-- -- mutex ----------------------------------------------------------------------------------------

test.case('a mutex lets one fiber in at a time, in their order', function()
  local mutex = fiber.mutex()
  local order, inside = {}, 0
  local fibers = {}
  for i = 1, 5 do
    fibers[i] = fiber.spawn(function()
      test.equal({ mutex:lock() }, { true })
      inside = inside + 1
      test.equal(inside, 1)
      fiber.yield()
      order[#order + 1] = i
      inside = inside - 1
      test.equal(select('#', mutex:unlock()), 0)
    end)
  end
  for i = 1, 5 do test.equal(fibers[i]:join(), true) end
  test.equal(order, { 1, 2, 3, 4, 5 })
end)

test.case('unlock hands the mutex over: nobody gets in between', function()
  local mutex = fiber.mutex()
  mutex:lock()
  local f = fiber.spawn(function() mutex:lock() end)
  fiber.yield()
  mutex:unlock()
  test.equal(mutex:try_lock(), false)
  f:join()
end)

test.case('try_lock does not wait', function()
  local mutex = fiber.mutex()
  test.equal({ mutex:try_lock() }, { true })
  test.equal({ mutex:try_lock() }, { false })
  mutex:unlock()
  test.equal({ mutex:try_lock() }, { true })
end)

test.case('only the owner unlocks, and nobody locks twice', function()
  local mutex = fiber.mutex()
  test.raises('the mutex is not locked by this fiber', mutex.unlock, mutex)
  mutex:lock()
  test.raises('already locked by this fiber', mutex.lock, mutex)
  local f = fiber.spawn(function() mutex:unlock() end)
  local _, message = f:join()
  test.match(message, 'the mutex is not locked by this fiber')
end)

test.case('lock gives up after its timeout', function()
  local mutex = fiber.mutex()
  mutex:lock()
  local f = fiber.spawn(function()
    local waited = { test.takes(0.004, 5, mutex.lock, mutex, 0.005) }
    test.equal(waited, { false, 'timeout' })
    return mutex:lock(0)
  end)
  test.equal({ f:join() }, { true, false, 'timeout' })
  mutex:unlock()
  test.equal({ mutex:lock(0) }, { true })
end)

test.case('a cancelled fiber gets no lock, and the next one does', function()
  local mutex = fiber.mutex()
  mutex:lock()
  local first, second = fiber.spawn(mutex.lock, mutex), fiber.spawn(mutex.lock, mutex)
  fiber.yield()
  first:cancel()
  mutex:unlock()
  check_cancelled(first)
  test.equal({ second:join() }, { true, true })
  mutex = fiber.mutex()
  local f = fiber.spawn(mutex.lock, mutex)
  f:cancel()
  check_cancelled(f)
  test.equal(mutex:try_lock(), true)
end)

-- -- semaphore ------------------------------------------------------------------------------------

test.case('a semaphore lets as many in as it has units', function()
  local semaphore = fiber.semaphore(2)
  local inside, most = 0, 0
  local fibers = {}
  for i = 1, 6 do
    fibers[i] = fiber.spawn(function()
      test.equal({ semaphore:acquire() }, { true })
      inside = inside + 1
      most = math.max(most, inside)
      fiber.yield()
      inside = inside - 1
      semaphore:release()
    end)
  end
  for i = 1, 6 do test.equal(fibers[i]:join(), true) end
  test.equal(most, 2)
  test.equal(semaphore:count(), 2)
end)

test.case('a released unit goes to the one who waits longest', function()
  local semaphore = fiber.semaphore(0)
  local order = {}
  for i = 1, 3 do fiber.create(function() semaphore:acquire(); order[#order + 1] = i end) end
  for _ = 1, 3 do test.equal(select('#', semaphore:release()), 0) end
  test.equal(semaphore:count(), 0)
  test.settle()
  test.equal(order, { 1, 2, 3 })
end)

test.case('acquire gives up after its timeout, and raises when cancelled', function()
  local semaphore = fiber.semaphore(0)
  test.equal({ test.takes(0.004, 5, semaphore.acquire, semaphore, 0.005) }, { false, 'timeout' })
  test.equal({ semaphore:acquire(0) }, { false, 'timeout' })
  local f = fiber.spawn(semaphore.acquire, semaphore)
  fiber.yield()
  f:cancel()
  check_cancelled(f)
  semaphore:release()
  test.equal(semaphore:count(), 1)
end)

test.case('the units are a whole number from 0 on', function()
  test.equal(fiber.semaphore(3.0):count(), 3)
  test.raises('negative', fiber.semaphore, -1)
  test.raises('number expected', fiber.semaphore)
  test.raises('integer', fiber.semaphore, 1.5)
  test.raises('integer', fiber.semaphore, 0 / 0)
end)

test.case('a semaphore does not count beyond the largest integer', function()
  local semaphore = fiber.semaphore(math.maxinteger)
  test.raises('overflow', semaphore.release, semaphore)
  test.equal(semaphore:count(), math.maxinteger)
end)

-- -- wait_group -----------------------------------------------------------------------------------

test.case('wait ends when everything added is done', function()
  local group = fiber.wait_group()
  local finished = 0
  for _ = 1, 5 do
    group:add()
    fiber.new(function() fiber.yield(); finished = finished + 1; group:done() end)
  end
  test.equal(group:count(), 5)
  test.equal({ group:wait() }, { true })
  test.equal({ finished, group:count() }, { 5, 0 })
end)

test.case('several fibers may wait for one group, and for an empty one nobody waits', function()
  local group = fiber.wait_group()
  test.equal({ group:wait() }, { true })
  group:add(1)
  local a, b = fiber.spawn(group.wait, group), fiber.spawn(group.wait, group)
  fiber.yield()
  group:done()
  test.equal({ a:join() }, { true, true })
  test.equal({ b:join() }, { true, true })
end)

test.case('add takes a number, also a negative one, but the count never falls below zero', function()
  local group = fiber.wait_group()
  group:add(3)
  group:add(-2)
  test.equal(group:count(), 1)
  test.raises('negative', group.add, group, -2)
  group:done()
  test.raises('negative', group.done, group)
  test.raises('negative', group.add, group, math.mininteger)
  test.equal(group:count(), 0)
end)

test.case('a wait group does not count beyond the largest integer', function()
  local group = fiber.wait_group()
  group:add(math.maxinteger)
  test.raises('overflow', group.add, group, 1)
  test.raises('overflow', group.add, group, math.maxinteger)
  test.equal(group:count(), math.maxinteger)
end)

test.case('wait gives up after its timeout, and raises when cancelled', function()
  local group = fiber.wait_group()
  group:add()
  test.equal({ test.takes(0.004, 5, group.wait, group, 0.005) }, { false, 'timeout' })
  local f = fiber.spawn(group.wait, group)
  fiber.yield()
  f:cancel()
  check_cancelled(f)
end)

-- -- What they share ------------------------------------------------------------------------------

test.case('a bad timeout raises', function()
  local mutex, semaphore, group = fiber.mutex(), fiber.semaphore(0), fiber.wait_group()
  for object, wait in pairs { [mutex] = mutex.lock, [semaphore] = semaphore.acquire,
      [group] = group.wait } do
    test.raises('negative', wait, object, -1)
    test.raises('NaN', wait, object, 0 / 0)
    test.raises('number expected', wait, object, 'soon')
  end
end)

test.case('each takes its own kind only', function()
  local mutex, semaphore, group = fiber.mutex(), fiber.semaphore(0), fiber.wait_group()
  for name, methods in pairs { mutex = { mutex.lock, mutex.try_lock, mutex.unlock },
    semaphore = { semaphore.acquire, semaphore.release, semaphore.count },
    wait_group = { group.wait, group.add, group.done, group.count } } do
    for _, method in ipairs(methods) do
      test.raises(name .. ' expected', method, {})
      test.raises(name .. ' expected', method, fiber.cond())
    end
  end
end)

test.finish()
