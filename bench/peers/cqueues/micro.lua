-- micro.lua: the questions of ../questions.lua, answered by cqueues. It has no channels; to join is
-- to wait for a condition.

package.path = arg[0]:gsub('[^/]*/[^/]*$', '') .. '?.lua;' .. package.path
local condition = require 'cqueues.condition'
local cqueues = require 'cqueues'

local loop = cqueues.new()
local ended = condition.new()

require 'questions' {
  spawn = function(body) return loop:wrap(body) end,
  settle = function() assert(loop:step(0)) end,
  finish = function() assert(loop:loop()) end,
  yield = cqueues.poll,
  spawn_join = function(body)
    loop:wrap(function()
      body()
      ended:signal()
    end)
    ended:wait()
  end,
  sleep = cqueues.sleep,
  now = cqueues.monotime,
  cond = condition.new,
}
