-- cond_test.lua: fiber.cond.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local fiber = require 'fiber'

--- Starts n fibers that wait for the condition variable; returns the list in which they say so.
local function waiters(cond, n, timeout)
  local woken = {}
  for i = 1, n do
    fiber.create(function() table.insert(woken, { i, cond:wait(timeout) }) end)
  end
  return woken
end

test.case('signal wakes the one who waits longest', function()
  local cond = fiber.cond()
  local woken = waiters(cond, 3)
  for i = 1, 3 do
    test.equal(select('#', cond:signal()), 0)
    test.equal(#woken, i - 1)
    fiber.yield()
    test.equal(woken[i], { i, true })
    test.equal(#woken, i)
  end
end)

test.case('broadcast wakes all of them in their order', function()
  local cond = fiber.cond()
  local woken = waiters(cond, 5)
  test.equal(select('#', cond:broadcast()), 0)
  test.equal(#woken, 0)
  fiber.yield()
  test.equal(woken, { { 1, true }, { 2, true }, { 3, true }, { 4, true }, { 5, true } })
end)

test.case('a signal is not remembered', function()
  local cond = fiber.cond()
  cond:signal()
  cond:broadcast()
  test.equal({ cond:wait(0) }, { false })
end)

test.case('wait gives up after its timeout', function()
  local cond = fiber.cond()
  test.equal({ test.takes(0.005, 5, cond.wait, cond, 0.006) }, { false })
  local ran = false
  fiber.new(function() ran = true end)
  test.equal({ cond:wait(0) }, { false })
  test.ok(ran)
end)

test.case('a waiter that gave up takes no signal', function()
  local cond = fiber.cond()
  local impatient = waiters(cond, 1, 0.001)
  local patient = waiters(cond, 1)
  test.eventually(function() return #impatient == 1 end)
  cond:signal()
  fiber.yield()
  test.equal({ impatient[1], patient[1] }, { { 1, false }, { 1, true } })
end)

test.case('a cancelled waiter raises and takes no signal', function()
  local cond = fiber.cond()
  local first = fiber.spawn(cond.wait, cond)
  local second = fiber.spawn(cond.wait, cond)
  fiber.yield()
  first:cancel()
  cond:signal()
  local ok, err = first:join()
  test.equal(ok, false)
  test.ok(fiber.is_cancelled(err))
  test.equal({ second:join() }, { true, true })
end)

test.case('a cancelled fiber does not begin to wait', function()
  local cond = fiber.cond()
  local f = fiber.spawn(function() return pcall(cond.wait, cond, 100) end)
  f:cancel()
  local _, ok, err = f:join()
  test.equal(ok, false)
  test.ok(fiber.is_cancelled(err))
end)

test.case('a bad timeout raises', function()
  local cond = fiber.cond()
  test.raises('negative', cond.wait, cond, -1)
  test.raises('negative', cond.wait, cond, -math.huge)
  test.raises('NaN', cond.wait, cond, 0 / 0)
  test.raises('number expected', cond.wait, cond, 'soon')
end)

test.case('a wait with an endless timeout ends by a signal', function()
  local cond = fiber.cond()
  for _, timeout in ipairs { math.huge, 1e300, math.maxinteger } do
    local woken = waiters(cond, 1, timeout)
    cond:signal()
    fiber.yield()
    test.equal(woken[1], { 1, true })
  end
end)

test.case('the methods take condition variables only', function()
  local cond = fiber.cond()
  for _, name in ipairs { 'wait', 'signal', 'broadcast' } do
    test.raises('cond expected', cond[name], {})
    test.raises('cond expected', cond[name], fiber.channel())
    test.raises('cond expected', cond[name])
  end
end)

test.case('tostring is cond', function()
  test.equal(tostring(fiber.cond()), 'cond')
end)

test.case('a condition variable that is forgotten while a fiber waits lives on', function()
  local f = fiber.spawn(function() return fiber.cond():wait(0.02) end)
  fiber.yield()
  collectgarbage()
  test.equal({ f:join() }, { true, false })
end)

test.finish()
