-- micro.lua: the questions of ../questions.lua, answered by Tarantool.

package.path = arg[0]:gsub('[^/]*/[^/]*$', '') .. '?.lua;' .. package.path
local clock = require 'clock'
local fiber = require 'fiber'

local function spawn(body)
  local handle = fiber.new(body)
  handle:set_joinable(true)
  return handle
end

require 'questions' {
  spawn = spawn,
  settle = fiber.yield,
  finish = function(handles)
    for _, handle in ipairs(handles) do handle:join() end
  end,
  yield = fiber.yield,
  spawn_join = function(body) spawn(body):join() end,
  sleep = fiber.sleep,
  now = clock.monotonic,
  cond = fiber.cond,
  channel = fiber.channel,
}
os.exit(0)
