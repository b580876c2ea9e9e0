-- micro.lua: the questions of ../questions.lua, answered by Lua's own coroutines and a loop.

package.path = arg[0]:gsub('[^/]*/[^/]*$', '') .. '?.lua;' .. package.path
local create, resume, status = coroutine.create, coroutine.resume, coroutine.status

-- A coroutine waits by yielding; nothing wakes one before its turn comes.
local cond = { wait = coroutine.yield }

require 'questions' {
  spawn = create,
  settle = function(threads)
    for _, thread in ipairs(threads) do resume(thread) end
  end,
  finish = function(threads)
    local alive = #threads
    while alive > 0 do
      for i = 1, alive do resume(threads[i]) end
      while alive > 0 and status(threads[alive]) == 'dead' do alive = alive - 1 end
    end
  end,
  yield = coroutine.yield,
  spawn_join = function(body) resume(create(body)) end,
  now = os.clock,
  cond = function() return cond end,
}
