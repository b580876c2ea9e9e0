-- fiber_yield.lua: is a switch between fibers cheaper than one between Lua's own coroutines?
--
-- Usage: coir bench/fiber_yield.lua [fibers]; 2 fibers unless told. The fibers yield to each other;
-- the yardstick is as many coroutines, resumed in turn by a loop, a resume and yield pair for each
-- fiber.yield().

package.path = arg[0]:gsub('[^/]*$', '') .. '?.lua;' .. package.path
local fiber = require 'fiber'
local measure = require 'measure'

local fibers = tonumber(arg[1]) or 2
local yields = math.max(1000, 4000000 // fibers) -- of each fiber
local rounds = 7

local function yield_repeatedly(yield)
  for _ = 1, yields do yield() end
end

local function fiber_cost()
  local handles = {}
  for i = 1, fibers do handles[i] = fiber.spawn(yield_repeatedly, fiber.yield) end
  return measure.cpu_ns(fibers * yields, function()
    for i = 1, fibers do handles[i]:join() end
  end)
end

local function coroutine_cost()
  local resume = coroutine.resume
  local threads = {}
  for i = 1, fibers do threads[i] = coroutine.create(yield_repeatedly) end
  for i = 1, fibers do resume(threads[i], coroutine.yield) end
  return measure.cpu_ns(fibers * yields, function()
    for _ = 1, yields do
      for i = 1, fibers do resume(threads[i]) end
    end
  end)
end

measure.compare(('fiber.yield() between %d fibers'):format(fibers), rounds,
  { name = 'coroutine.resume and coroutine.yield', cost = coroutine_cost },
  { name = 'fiber.yield', cost = fiber_cost })
