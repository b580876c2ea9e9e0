-- coroutine_switch.lua: what does Lua's own coroutine.resume and coroutine.yield cost, as a pair?
--
-- The yardstick of fiber_yield.lua by itself, for any Lua 5.4: lua5.4 bench/coroutine_switch.lua

package.path = arg[0]:gsub('[^/]*$', '') .. '?.lua;' .. package.path
local measure = require 'measure'

local pairs_per_round = 5000000
local rounds = 7

local function cost()
  local resume, yield = coroutine.resume, coroutine.yield
  local thread = coroutine.create(function()
    while true do yield() end
  end)
  return measure.cpu_ns(pairs_per_round, function()
    for _ = 1, pairs_per_round do resume(thread) end
  end)
end

local costs = {}
for i = 1, rounds do costs[i] = cost() end
print(('coroutine.resume and coroutine.yield: %s ns CPU a pair'):format(
  measure.spread(costs, '%.1f')))
