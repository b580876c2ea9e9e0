-- micro.lua: the questions of ../questions.lua, answered by coir.

package.path = arg[0]:gsub('[^/]*/[^/]*$', '') .. '?.lua;' .. package.path
local fiber = require 'fiber'

require 'questions' {
  spawn = fiber.spawn,
  settle = fiber.yield,
  finish = function(handles)
    for _, handle in ipairs(handles) do handle:join() end
  end,
  yield = fiber.yield,
  spawn_join = function(body) fiber.spawn(body):join() end,
  sleep = fiber.sleep,
  now = fiber.clock,
  cond = fiber.cond,
  channel = fiber.channel,
}
os.exit(0)
