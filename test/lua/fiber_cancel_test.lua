-- fiber_cancel_test.lua: cancelling and waking fibers in every state.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local fiber = require 'fiber'

--- A fiber that is parked in a long sleep, and says how that ended.
local function sleeper(time)
  local f = fiber.spawn(function() return pcall(fiber.sleep, time or 100) end)
  fiber.yield()
  return f
end

local function check_cancelled(ok, err)
  test.equal(ok, false)
  test.equal(tostring(err), 'fiber is cancelled')
  test.equal(fiber.is_cancelled(err), true)
end

test.case('a parked fiber raises from its wait', function()
  local f = sleeper()
  test.equal(select('#', f:cancel()), 0)
  check_cancelled(select(2, f:join()))
end)

test.case('cancelling does not switch', function()
  local f = sleeper()
  f:cancel()
  test.equal(f:status(), 'suspended')
end)

test.case('fiber.cancel and fiber.kill take the handle or the id', function()
  for _, cancel in ipairs { fiber.cancel, fiber.kill } do
    local f = sleeper()
    cancel(f)
    check_cancelled(select(2, f:join()))
    f = sleeper()
    cancel(f:id())
    check_cancelled(select(2, f:join()))
  end
end)

test.case('a fiber that has not run yet starts, and raises at its first wait', function()
  local steps = {}
  local f = fiber.spawn(function()
    steps[1] = 'started'
    fiber.yield()
    steps[2] = 'not reached'
  end)
  f:cancel()
  check_cancelled(f:join())
  test.equal(steps, { 'started' })
end)

test.case('a ready fiber raises from the wait that it is in', function()
  local f = fiber.spawn(function() return pcall(fiber.yield) end)
  fiber.yield()
  f:cancel()
  check_cancelled(select(2, f:join()))
end)

test.case('cancelling oneself raises at once', function()
  local f = fiber.spawn(function() return pcall(fiber.cancel, fiber.self()) end)
  check_cancelled(select(2, f:join()))
  f = fiber.spawn(function() fiber.self():cancel() end)
  check_cancelled(f:join())
end)

test.case('a dead fiber cannot be cancelled', function()
  local f = fiber.spawn(function() end)
  f:join()
  test.raises('the fiber is dead', f.cancel, f)
  test.raises('the fiber is dead', fiber.cancel, f:id())
  test.raises('the fiber is dead', fiber.kill, 987654321)
end)

test.case('cancellation is sticky: every later wait raises at once', function()
  local f = fiber.spawn(function()
    local results = { pcall(fiber.sleep, 100) }
    for _ = 1, 5 do
      local ok, err = test.takes(0, 5, pcall, fiber.sleep, 100)
      results[#results + 1] = ok == false and fiber.is_cancelled(err)
    end
    for _, wait in ipairs { fiber.yield, fiber.testcancel } do
      results[#results + 1] = fiber.is_cancelled(select(2, pcall(wait)))
    end
    return table.unpack(results)
  end)
  fiber.yield()
  f:cancel()
  local results = table.pack(f:join())
  test.equal(results[2], false)
  test.ok(fiber.is_cancelled(results[3]))
  for i = 4, 10 do test.equal(results[i], true) end
end)

test.case('a cancelled fiber that catches everything still lets others run', function()
  local going = true
  local f = fiber.new(function()
    while going do pcall(fiber.sleep, 100) end
  end)
  fiber.yield()
  f:cancel()
  test.takes(0.002, 30, fiber.sleep, 0.002)
  going = false
  test.eventually(function() return f:status() == 'dead' end)
end)

test.case('a second cancel changes nothing', function()
  local f = sleeper()
  f:cancel()
  f:cancel()
  check_cancelled(select(2, f:join()))
end)

test.case('cleaning up after cancellation works in a new fiber', function()
  local cleaned = false
  local f = fiber.spawn(function()
    local ok = pcall(fiber.sleep, 100)
    fiber.spawn(function() fiber.sleep(0.001); cleaned = true end)
    return ok
  end)
  fiber.yield()
  f:cancel()
  f:join()
  test.eventually(function() return cleaned end)
end)

test.case('__close runs while a cancelled fiber unwinds', function()
  local closed = false
  local f = fiber.spawn(function()
    local guard <close> = setmetatable({}, { __close = function() closed = true end })
    fiber.sleep(100)
    return guard
  end)
  fiber.yield()
  f:cancel()
  check_cancelled(f:join())
  test.ok(closed)
end)

test.case('is_cancelled knows the one from other errors', function()
  for _, value in ipairs { 'fiber is cancelled', {}, 1, true } do
    test.equal(fiber.is_cancelled(value), false)
  end
  test.equal(fiber.is_cancelled(nil), false)
  test.raises('value expected', fiber.is_cancelled)
end)

test.case('the cancellation can be joined to text on either side', function()
  local f = sleeper()
  f:cancel()
  local _, _, err = f:join()
  test.equal('why: ' .. err, 'why: fiber is cancelled')
  test.equal(err .. '!', 'fiber is cancelled!')
  test.equal(('%s'):format(err), 'fiber is cancelled')
  test.equal(err .. err, 'fiber is cancelledfiber is cancelled')
  test.equal(1 .. err, '1fiber is cancelled')
  test.ok(err == err)
end)

test.case('testcancel does nothing in a fiber that is not cancelled', function()
  test.equal(select('#', fiber.testcancel()), 0)
  test.raises('no argument', fiber.testcancel, 1)
end)

test.case('f:testcancel asks about that fiber', function()
  local f = sleeper()
  f:testcancel()
  f:cancel()
  test.raises('^fiber is cancelled$', f.testcancel, f)
  f:join()
  test.raises('the fiber is dead', f.testcancel, f)
end)

test.case('cancellation reaches a fiber inside a coroutine', function()
  local f = fiber.spawn(function()
    local co = coroutine.create(function() fiber.sleep(100) end)
    return coroutine.resume(co)
  end)
  fiber.yield()
  f:cancel()
  check_cancelled(select(2, f:join()))
end)

-- -- wakeup ---------------------------------------------------------------------------------------

test.case('wakeup ends a sleep early', function()
  local f = sleeper()
  test.equal(select('#', f:wakeup()), 0)
  test.equal({ test.takes(0, 10, f.join, f) }, { true, true })
  f = sleeper()
  fiber.wakeup(f)
  test.equal({ f:join() }, { true, true })
  f = sleeper()
  fiber.wakeup(f:id())
  test.equal({ f:join() }, { true, true })
end)

test.case('wakeup ends a wait for a condition variable', function()
  local cond = fiber.cond()
  local f = fiber.spawn(function() return cond:wait() end)
  fiber.yield()
  f:wakeup()
  test.equal({ f:join() }, { true, true })
end)

test.case('wakeup leaves every other wait alone', function()
  local channel = fiber.channel()
  local f = fiber.spawn(function() return channel:get() end)
  fiber.yield()
  f:wakeup()
  test.settle()
  test.equal(f:status(), 'suspended')
  channel:put('message')
  test.equal({ f:join() }, { true, 'message' })
end)

test.case('waking a fiber that does not wait, or oneself, does nothing', function()
  fiber.self():wakeup()
  local runs = 0
  local f = fiber.new(function() runs = runs + 1 end)
  f:wakeup()
  f:wakeup()
  fiber.yield()
  test.equal(runs, 1)
end)

test.case('a dead fiber cannot be woken', function()
  local f = fiber.spawn(function() end)
  f:join()
  test.raises('the fiber is dead', f.wakeup, f)
  test.raises('the fiber is dead', fiber.wakeup, f:id())
end)

test.case('cancelling and waking take fibers only', function()
  for _, f in ipairs { fiber.cancel, fiber.kill, fiber.wakeup } do
    test.raises('fiber', f)
    test.raises('fiber', f, {})
    test.raises('fiber', f, 'x')
    test.raises('fiber is dead', f, -1)
    test.raises('fiber is dead', f, math.mininteger)
    test.raises('integer', f, 1.5)
  end
end)

test.finish()
