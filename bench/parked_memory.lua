-- parked_memory.lua: how much resident memory does a parked fiber take?
--
-- Usage: coir bench/parked_memory.lua [fibers]; 100,000 fibers unless told. They wait on one cond.
-- It also says how much remains when they have ended.

package.path = arg[0]:gsub('[^/]*$', '') .. '?.lua;' .. package.path
local fiber = require 'fiber'
local measure = require 'measure'

local count = tonumber(arg[1]) or 100000
local wake = fiber.cond()
local last_ended = fiber.cond()
local parked = 0

local function park()
  parked = parked + 1
  wake:wait()
  parked = parked - 1
  if parked == 0 then last_ended:signal() end
end

local function resident_bytes_after_collection()
  collectgarbage()
  collectgarbage()
  return measure.resident_bytes()
end

local before = resident_bytes_after_collection()
for _ = 1, count do fiber.create(park) end
assert(parked == count)
local while_parked = resident_bytes_after_collection()

wake:broadcast()
while parked > 0 do last_ended:wait() end
fiber.yield() -- lets the last fiber end
local afterwards = resident_bytes_after_collection()

print(('%d parked fibers: %.0f bytes each'):format(count, (while_parked - before) / count))
print(('note: %.1f MiB before, %.1f MiB with them, %.1f MiB when they have ended'):format(
  before / 2 ^ 20, while_parked / 2 ^ 20, afterwards / 2 ^ 20))
