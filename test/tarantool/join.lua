-- join.lua: joinable fibers: what `join` returns, when it waits, and when it refuses.
--
-- Left out because coir means to differ: thrown tables (Tarantool hands over their address in a
-- string), joining oneself (it hangs), and `join` in a cancelled fiber.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local fiber = require 'fiber'

local function joinable(f, ...)
  local made = fiber.new(f, ...)
  made:set_joinable(true)
  return made
end

-- Joins; gives the results, with an error as its text.
local function join(f)
  local ok, result = f:join()
  if ok then return ok, result end
  return ok, (tostring(result):gsub('^.-%.lua:%d+: ', ''))
end

t.case('results', function()
  t.check('nothing', joinable(function() end):join())
  t.check('one value', joinable(function() return 'value' end):join())
  t.check('several', joinable(function() return 1, 'two', true end):join())
  t.check('nils are kept', joinable(function() return nil, 1, nil end):join())
  t.check('how many', select('#', joinable(function() return nil, nil end):join()))
  t.check('arguments', joinable(function(...) return select('#', ...), ... end, 'a', nil):join())
  local list = { 'inside' }
  local _, same = joinable(function() return list end):join()
  t.check('a table', same == list)
  t.check('the function form', fiber.join(joinable(function() return 'value' end)))
  t.check('set_joinable returns nothing', select('#', fiber.new(function() end):set_joinable(true)))
  local f = fiber.new(function() return 'value' end)
  fiber.set_joinable(f, true)
  t.check('set_joinable as a function', f:join())
end)

t.case('errors', function()
  t.check('a raised string', join(joinable(function() error('sorry', 0) end)))
  t.check('a raised string with its place', join(joinable(function() error('sorry') end)))
  t.check('a raised number', join(joinable(function() error(42) end)))
  t.check('a failed call', (join(joinable(function() return nil + 1 end))))
  t.check('a raised nil', (join(joinable(function() error() end))))
  t.check('error and nothing else', select('#', joinable(function() error('x') end):join()))
  local f = joinable(function() fiber.sleep(1000) end)
  fiber.yield()
  f:cancel()
  t.check('cancelled', join(f))
  f = joinable(function() fiber.testcancel() end)
  f:cancel()
  t.check('cancelled before it ran', join(f))
  f = joinable(function()
    pcall(fiber.sleep, 1000)
    return 'in peace'
  end)
  fiber.yield()
  f:cancel()
  t.check('cancelled, but it caught that', join(f))
end)

t.case('waiting', function()
  local log = {}
  local f = joinable(function()
    log[#log + 1] = 'begin'
    fiber.sleep(0.005)
    log[#log + 1] = 'end'
    return 'result'
  end)
  log[#log + 1] = 'join'
  local _, result = f:join()
  log[#log + 1] = result
  t.check('join waits for the end', table.concat(log, ', '))

  f = joinable(function() return 'early' end)
  fiber.yield()
  fiber.yield()
  t.check('join after the end', f:join())
  t.check('status after join', f:status())

  f = fiber.create(function()
    fiber.self():set_joinable(true)
    fiber.yield()
    return 'set inside'
  end)
  t.check('joinable by its own wish', f:join())
  f = fiber.create(function()
    fiber.yield()
    return 'late wish'
  end)
  f:set_joinable(true)
  t.check('joinable while it waits', f:join())

  local order = {}
  local fibers = {}
  for i = 1, 3 do
    fibers[i] = joinable(function()
      order[#order + 1] = i
      return i * i
    end)
  end
  local sum = 0
  for i = 3, 1, -1 do
    local _, square = fibers[i]:join()
    sum = sum + square
  end
  t.check('several, joined backwards', sum, table.concat(order, ' '))

  local inner, outer
  outer = joinable(function()
    inner = joinable(function() return 'from within' end)
    return inner:join()
  end)
  t.check('join inside a joined fiber', outer:join())
  t.check('both are dead', inner:status(), outer:status())
end)

t.case('refusals', function()
  local f = fiber.create(fiber.sleep, 1000)
  t.raises('not joinable', f.join, f)
  f:set_joinable(true)
  f:set_joinable(false)
  t.raises('joinable no more', f.join, f)
  f:cancel()
  f = joinable(function() end)
  f:join()
  t.raises('set_joinable of a dead fiber', f.set_joinable, f, true)
  t.raises('an unknown id', fiber.join, 1000000000)
  t.refuses('join of nothing', fiber.join)
  t.refuses('set_joinable without a flag', f.set_joinable, f)
end)

os.exit(0)
