--- crowd.lua: makes this program crowded, so that fibers which wait keep no C stack.
local fiber = require 'fiber'

local never = fiber.channel()
for _ = 1, 300 do fiber.create(never.get, never) end
