-- sleepers.lua: what does a sleeping fiber cost, and how late does it wake?
--
-- Usage: coir bench/sleepers.lua [fibers...]; 100,000 and then 1,000,000 fibers unless told. Each
-- sleeps until a random moment of its own, 100,000 of these in a second. The first moment comes
-- when all fibers sleep already. Lateness is what fiber.clock() says beyond the moment.

package.path = arg[0]:gsub('[^/]*$', '') .. '?.lua;' .. package.path
local fiber = require 'fiber'
local measure = require 'measure'

local due_per_second = 100000
local time_to_start = 10e-6 -- seconds for each fiber, more than it should need

local function run(count)
  local lateness = table.move({}, 1, count, 1)
  local left = count
  local last_woken = fiber.cond()

  local function sleep_until(i, due)
    fiber.sleep(due - fiber.clock())
    lateness[i] = fiber.clock() - due
    left = left - 1
    if left == 0 then last_woken:signal() end
  end

  collectgarbage()
  local cpu_at_first = os.clock()
  local first_due = fiber.clock() + 0.1 + count * time_to_start
  for i = 1, count do
    fiber.create(sleep_until, i, first_due + math.random() * count / due_per_second)
  end
  local started_late = fiber.clock() > first_due
  local cpu_when_asleep = os.clock()
  while left > 0 do last_woken:wait() end
  local cpu_at_last = os.clock()

  print(('%d sleepers: %.2f us CPU each (%.2f to start and %.2f to wake)'):format(count,
    (cpu_at_last - cpu_at_first) * 1e6 / count, (cpu_when_asleep - cpu_at_first) * 1e6 / count,
    (cpu_at_last - cpu_when_asleep) * 1e6 / count))
  print(('  late by: p50 %.3f, p99 %.3f, p99.9 %.3f, max %.3f, least %.3f ms'):format(
    measure.quantile(lateness, 0.5) * 1e3, measure.quantile(lateness, 0.99) * 1e3,
    measure.quantile(lateness, 0.999) * 1e3, measure.quantile(lateness, 1) * 1e3,
    measure.quantile(lateness, 0) * 1e3))
  if started_late then print('  note: the first were due before the last were asleep') end
end

local counts = #arg > 0 and arg or { 100000, 1000000 }
for _, count in ipairs(counts) do run(math.tointeger(tonumber(count))) end
