-- fiber_start_test.lua: fiber.create, new, spawn and wrap; the order in which fibers run; yield and
-- sleep.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local fiber = require 'fiber'

--- A list, and a function that gives a fiber body which adds its word, yields, and adds it again.
local function diary()
  local lines = {}
  return lines, function(word)
    return function()
      lines[#lines + 1] = word .. 1
      fiber.yield()
      lines[#lines + 1] = word .. 2
    end
  end
end

test.case('create runs the new fiber at once until it waits', function()
  local lines, body = diary()
  local f = fiber.create(body 'a')
  lines[#lines + 1] = 'creator'
  test.equal(f:status(), 'suspended')
  test.settle()
  test.equal(lines, { 'a1', 'creator', 'a2' })
  test.equal(f:status(), 'dead')
end)

test.case('new and spawn only queue it', function()
  for _, start in ipairs { fiber.new, fiber.spawn } do
    local lines, body = diary()
    local f = start(body 'a')
    test.equal(f:status(), 'suspended')
    lines[#lines + 1] = 'creator'
    test.settle()
    test.equal(lines, { 'creator', 'a1', 'a2' })
  end
end)

test.case('wrap is create', function()
  test.equal(fiber.wrap, fiber.create)
end)

test.case('arguments arrive, nils among them', function()
  local got
  local function body(...) got = table.pack(...) end
  fiber.create(body, 1, nil, 'x', nil)
  test.equal(got, { 1, nil, 'x', nil, n = 4 })
  fiber.new(body, nil)
  fiber.yield()
  test.equal(got, { n = 1 })
  fiber.spawn(body):join()
  test.equal(got, { n = 0 })
end)

test.case('hundreds of arguments and results arrive', function()
  local many = {}
  for i = 1, 5000 do many[i] = i end
  local f = fiber.spawn(function(...) return ... end, table.unpack(many))
  local results = table.pack(f:join())
  test.equal(results.n, 5001)
  test.equal(results[5001], 5000)
end)

test.case('a body must be a function', function()
  for _, start in ipairs { fiber.create, fiber.new, fiber.spawn } do
    for _, value in ipairs { 1, 'x', {}, true, setmetatable({}, { __call = print }) } do
      test.raises('function expected', start, value)
    end
    test.raises('function expected', start)
    test.raises('function expected', start, nil)
  end
end)

test.case('a C function can be the body', function()
  test.equal({ fiber.spawn(math.max, 3, 9, 4):join() }, { true, 9 })
end)

test.case('queued fibers run first in, first out', function()
  local order = {}
  for i = 1, 100 do fiber.new(function() order[#order + 1] = i end) end
  fiber.yield()
  local expected = {}
  for i = 1, 100 do expected[i] = i end
  test.equal(order, expected)
end)

test.case('fibers that yield keep their order', function()
  local lines, body = diary()
  for _, word in ipairs { 'a', 'b', 'c' } do fiber.new(body(word)) end
  test.settle()
  test.equal(lines, { 'a1', 'b1', 'c1', 'a2', 'b2', 'c2' })
end)

test.case('new fibers, yielding ones and woken ones share one queue', function()
  local order = {}
  local cond = fiber.cond()
  fiber.create(function() cond:wait(); order[#order + 1] = 'woken' end)
  fiber.create(function() fiber.yield(); order[#order + 1] = 'yielded' end)
  cond:signal()
  fiber.new(function() order[#order + 1] = 'new' end)
  test.settle()
  test.equal(order, { 'yielded', 'woken', 'new' })
end)

test.case('a fiber started by a fiber started by create: all run before the creator goes on', function()
  local order = {}
  fiber.create(function()
    fiber.create(function()
      order[#order + 1] = 'innermost'
      fiber.yield()
    end)
    order[#order + 1] = 'inner'
    fiber.yield()
  end)
  order[#order + 1] = 'outer'
  test.equal(order, { 'innermost', 'inner', 'outer' })
end)

test.case('fibers whose timers are due together run in the order of arming', function()
  local order = {}
  for i = 1, 50 do
    fiber.new(function() fiber.sleep(0.001); order[#order + 1] = i end)
  end
  fiber.yield()
  local busy = fiber.clock() + 0.01
  while fiber.clock() < busy do end
  test.eventually(function() return #order == 50 end)
  for i = 1, 50 do test.equal(order[i], i) end
end)

test.case('sleep lasts as long as it is told', function()
  test.takes(0.02, 5, fiber.sleep, 0.02)
  test.takes(0.02, 5, fiber.sleep, '0.02')
end)

test.case('shorter sleeps end before longer ones', function()
  local order = {}
  local fibers = {}
  for _, time in ipairs { 0.03, 0.01, 0.02 } do
    fibers[#fibers + 1] = fiber.spawn(function() fiber.sleep(time); order[#order + 1] = time end)
  end
  for _, f in ipairs(fibers) do f:join() end
  test.equal(order, { 0.01, 0.02, 0.03 })
end)

test.case('sleep with zero or less lets others run once', function()
  for _, time in ipairs { 0, -1, -1e300, -math.huge, math.mininteger } do
    local ran = false
    fiber.new(function() ran = true end)
    test.takes(0, 5, fiber.sleep, time)
    test.ok(ran)
  end
end)

test.case('sleep returns nothing, and neither does yield', function()
  test.equal(select('#', fiber.sleep(0)), 0)
  test.equal(select('#', fiber.sleep(0.001)), 0)
  test.equal(select('#', fiber.yield()), 0)
end)

test.case('sleep without a number, or with NaN, raises', function()
  test.raises('number expected', fiber.sleep)
  test.raises('number expected', fiber.sleep, nil)
  test.raises('number expected', fiber.sleep, {})
  test.raises('number expected', fiber.sleep, 'soon')
  test.raises('NaN', fiber.sleep, 0 / 0)
end)

test.case('a sleep of centuries is no overflow', function()
  for _, time in ipairs { math.huge, 1e300, math.maxinteger, 1e10 } do
    local f = fiber.create(fiber.sleep, time)
    fiber.yield()
    test.equal(f:status(), 'suspended')
    f:cancel()
    fiber.yield()
    test.equal(f:status(), 'dead')
  end
end)

test.case('a long computation makes no timer late or early', function()
  local busy = fiber.clock() + 0.05
  while fiber.clock() < busy do end
  test.takes(0.03, 5, fiber.sleep, 0.03)
end)

test.case('ten thousand fibers at once', function()
  local count = 0
  local group = fiber.wait_group()
  for _ = 1, 10000 do
    group:add()
    fiber.new(function() fiber.sleep(0.001); count = count + 1; group:done() end)
  end
  group:wait()
  test.equal(count, 10000)
end)

test.case('a fiber is no coroutine that one could leave by coroutine.yield', function()
  for _, body in ipairs { coroutine.yield, function() pcall(coroutine.yield); coroutine.yield() end,
    function() table.sort({ 3, 2, 1 }, coroutine.yield) end } do
    local ok, message = fiber.spawn(body):join()
    test.equal(ok, false)
    test.match(message, 'attempt to yield')
  end
  test.equal({ fiber.spawn(coroutine.isyieldable):join() }, { true, false })
end)

test.case('a coroutine in which a fiber waits can be neither resumed nor closed by others', function()
  local co
  local f = fiber.create(function()
    co = coroutine.create(function() fiber.sleep(100) end)
    return coroutine.resume(co)
  end)
  test.equal(coroutine.status(co), 'normal')
  test.equal({ coroutine.resume(co) }, { false, 'cannot resume non-suspended coroutine' })
  test.raises('cannot close a normal coroutine', coroutine.close, co)
  f:cancel()
  fiber.yield()
  test.equal(coroutine.status(co), 'dead')
end)

test.case('the clocks go forward in seconds and microseconds', function()
  test.ok(math.abs(fiber.time() - os.time()) < 2)
  test.ok(math.abs(fiber.time64() // 1000000 - os.time()) < 2)
  test.equal(math.type(fiber.time64()), 'integer')
  test.equal(math.type(fiber.clock64()), 'integer')
  local before, before64 = fiber.clock(), fiber.clock64()
  fiber.sleep(0.005)
  test.ok(fiber.clock() - before >= 0.005)
  test.ok(fiber.clock64() - before64 >= 5000)
end)

test.case('the module answers to both names and sets no global', function()
  test.equal(rawequal(require 'fiber', require 'coir.fiber'), true)
  test.equal(rawget(_G, 'fiber'), nil)
  test.equal(rawget(_G, 'socket'), nil)
  test.equal(rawget(_G, 'errno'), nil)
end)

test.finish()
