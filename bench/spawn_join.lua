-- spawn_join.lua: what does it cost to start a fiber that does nothing, and to join it?
--
-- The yardstick is a coroutine of Lua's own, created and resumed once, to its end.

package.path = arg[0]:gsub('[^/]*$', '') .. '?.lua;' .. package.path
local fiber = require 'fiber'
local measure = require 'measure'

local count = 500000
local rounds = 7

local function nothing() end

local function fiber_cost()
  local spawn = fiber.spawn
  return measure.cpu_ns(count, function()
    for _ = 1, count do spawn(nothing):join() end
  end)
end

local function coroutine_cost()
  local create, resume = coroutine.create, coroutine.resume
  return measure.cpu_ns(count, function()
    for _ = 1, count do resume(create(nothing)) end
  end)
end

measure.compare('spawn and join of a fiber', rounds,
  { name = 'coroutine.create and coroutine.resume', cost = coroutine_cost },
  { name = 'fiber.spawn and join', cost = fiber_cost })
