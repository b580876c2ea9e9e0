-- cond.lua: fiber.cond: wait, signal and broadcast.
--
-- Left out because coir means to differ: in Tarantool 2.6 `wait` in a cancelled fiber returns true.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local fiber = require 'fiber'

-- Starts fibers that wait on `cond`. Returns a function that says which have woken, in order.
local function waiters(cond, names, timeout)
  local woken = {}
  for _, name in ipairs(names) do
    fiber.create(function()
      local result = cond:wait(timeout)
      woken[#woken + 1] = name .. '=' .. tostring(result)
    end)
  end
  return function() return table.concat(woken, ' ') end
end

t.case('signal', function()
  local cond = fiber.cond()
  local woken = waiters(cond, { 'a', 'b', 'c' })
  t.check('signal returns nothing', select('#', cond:signal()))
  t.check('signal does not switch', woken())
  fiber.yield()
  t.check('signal wakes the first', woken())
  cond:signal()
  cond:signal()
  fiber.yield()
  t.check('two signals wake two', woken())
  woken = waiters(cond, { 'a' }, 1000)
  cond:signal()
  fiber.yield()
  t.check('with a timeout', woken())
end)

t.case('broadcast', function()
  local cond = fiber.cond()
  local woken = waiters(cond, { 'a', 'b', 'c' })
  t.check('broadcast returns nothing', select('#', cond:broadcast()))
  t.check('broadcast does not switch', woken())
  fiber.yield()
  t.check('broadcast wakes all', woken())
end)

t.case('nobody waits', function()
  local cond = fiber.cond()
  cond:signal()
  cond:broadcast()
  t.check('signals are not remembered', cond:wait(0))
  t.check('nor at a second wait', cond:wait(0.005))
end)

t.case('timeouts', function()
  local cond = fiber.cond()
  local before = fiber.clock()
  t.check('a timeout', cond:wait(0.02))
  t.check('it took its time', fiber.clock() - before > 0.015)
  local others_ran = false
  fiber.new(function() others_ran = true end)
  t.check('timeout 0', cond:wait(0))
  t.check('timeout 0 lets others run', others_ran)
  local woken = waiters(cond, { 'short' }, 0.005)
  local late = waiters(cond, { 'long' })
  while woken() == '' do fiber.sleep(0.001) end
  t.check('one that timed out', woken())
  cond:signal()
  fiber.yield()
  t.check('the signal goes to the other', late())
end)

t.case('wakeup', function()
  local cond = fiber.cond()
  local result
  local f = fiber.create(function() result = cond:wait(1000) end)
  f:wakeup()
  fiber.yield()
  t.check('woken for nothing', result)
end)

t.case('used as a queue', function()
  local cond, list, seen = fiber.cond(), {}, {}
  local consumer = fiber.create(function()
    repeat
      while #list == 0 do cond:wait() end
      local item = table.remove(list, 1)
      seen[#seen + 1] = item
    until item == 'last'
  end)
  for _, item in ipairs { 'one', 'two', 'last' } do
    list[#list + 1] = item
    cond:signal()
    fiber.yield()
  end
  t.check('items', table.concat(seen, ' '), consumer:status())
end)

t.case('wrong arguments', function()
  local cond = fiber.cond()
  t.check('as a string', tostring(cond))
  t.refuses('a negative timeout', cond.wait, cond, -1)
  t.refuses('a word as timeout', cond.wait, cond, 'soon')
  t.refuses('wait without a cond', cond.wait)
  t.refuses('wait with another object', cond.wait, {})
  t.refuses('signal without a cond', cond.signal)
  t.refuses('broadcast without a cond', cond.broadcast)
end)

os.exit(0)
