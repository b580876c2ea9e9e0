-- channel_test.lua: fiber.channel.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local fiber = require 'fiber'

test.case('a channel without room hands messages over directly', function()
  local channel = fiber.channel()
  local reader = fiber.spawn(function() return channel:get() end)
  fiber.yield()
  test.equal({ channel:put('a') }, { true })
  test.equal({ reader:join() }, { true, 'a' })
  local writer = fiber.spawn(function() return channel:put('b') end)
  fiber.yield()
  test.equal(writer:status(), 'suspended')
  test.equal({ channel:get() }, { 'b' })
  test.equal({ writer:join() }, { true, true })
end)

test.case('a channel with room keeps messages in order without switching', function()
  local channel = fiber.channel(3)
  local before = fiber.self():csw()
  for i = 1, 3 do test.equal(channel:put(i), true) end
  for i = 1, 3 do test.equal(channel:get(), i) end
  test.equal(fiber.self():csw(), before)
end)

test.case('the ring of a channel goes round', function()
  local channel = fiber.channel(3)
  local got, put = 0, 0
  for _ = 1, 10 do
    for _ = 1, 2 do put = put + 1; channel:put(put) end
    for _ = 1, 2 do got = got + 1; test.equal(channel:get(), got) end
  end
end)

test.case('a full channel makes writers wait, first come first served', function()
  local channel = fiber.channel(2)
  channel:put(1)
  channel:put(2)
  for i = 3, 6 do fiber.create(channel.put, channel, i) end
  for i = 1, 6 do test.equal(channel:get(), i) end
  test.equal({ channel:get(0) }, { nil, 'timeout' })
end)

test.case('readers are served first come first served', function()
  local channel = fiber.channel(1)
  local order = {}
  for i = 1, 4 do fiber.create(function() table.insert(order, { i, channel:get() }) end) end
  for i = 1, 4 do channel:put(i * 10) end
  test.settle()
  test.equal(order, { { 1, 10 }, { 2, 20 }, { 3, 30 }, { 4, 40 } })
end)

test.case('nil, false, tables, functions and fibers are messages', function()
  for _, capacity in ipairs { 0, 4 } do
    local channel = fiber.channel(capacity)
    local messages = table.pack(nil, false, {}, print, fiber.self())
    fiber.create(function()
      for i = 1, messages.n do channel:put(messages[i]) end
    end)
    for i = 1, messages.n do
      local results = table.pack(channel:get())
      test.equal(results.n, 1)
      test.ok(rawequal(results[1], messages[i]))
    end
  end
end)

test.case('put without a value raises, and more arguments are ignored', function()
  local channel = fiber.channel(2)
  test.raises('value expected', channel.put, channel)
  test.equal(channel:put('a', nil, 'ignored'), true)
  test.equal({ channel:get(nil, 'ignored') }, { 'a' })
end)

test.case('get and put give up after their timeout', function()
  local channel = fiber.channel()
  test.equal({ test.takes(0.004, 5, channel.get, channel, 0.005) }, { nil, 'timeout' })
  test.equal({ test.takes(0.004, 5, channel.put, channel, 1, 0.005) }, { false, 'timeout' })
  test.equal({ channel:get(0) }, { nil, 'timeout' })
  test.equal({ channel:put(1, 0) }, { false, 'timeout' })
  test.ok(not channel:has_readers() and not channel:has_writers())
end)

test.case('what a writer that gave up wanted to say is gone', function()
  local channel = fiber.channel()
  channel:put('given up', 0)
  test.equal({ channel:get(0) }, { nil, 'timeout' })
end)

test.case('a bad timeout raises', function()
  local channel = fiber.channel(1)
  for _, timeout in ipairs { -1, -math.huge } do
    test.raises('negative', channel.get, channel, timeout)
    test.raises('negative', channel.put, channel, 1, timeout)
  end
  test.raises('NaN', channel.get, channel, 0 / 0)
  test.raises('NaN', channel.put, channel, 1, 0 / 0)
  test.raises('number expected', channel.get, channel, 'soon')
  test.raises('number expected', channel.put, channel, 1, {})
end)

test.case('close lets what is buffered be got, and then says closed', function()
  local channel = fiber.channel(3)
  channel:put('a')
  channel:put('b')
  test.equal(select('#', channel:close()), 0)
  test.equal({ channel:put('c') }, { false, 'closed' })
  test.equal({ channel:get() }, { 'a' })
  test.equal({ channel:get() }, { 'b' })
  test.equal({ channel:get() }, { nil, 'closed' })
  test.equal({ channel:get(0) }, { nil, 'closed' })
  channel:close()
end)

test.case('close wakes all who wait', function()
  local channel = fiber.channel()
  local reader, other = fiber.spawn(channel.get, channel), fiber.spawn(channel.get, channel, 100)
  fiber.yield()
  channel:close()
  test.equal({ reader:join() }, { true, nil, 'closed' })
  test.equal({ other:join() }, { true, nil, 'closed' })
  channel = fiber.channel()
  local writer = fiber.spawn(channel.put, channel, 1)
  fiber.yield()
  channel:close()
  test.equal({ writer:join() }, { true, false, 'closed' })
end)

test.case('a cancelled reader is skipped: the message goes to the next', function()
  local channel = fiber.channel()
  local first, second = fiber.spawn(channel.get, channel), fiber.spawn(channel.get, channel)
  fiber.yield()
  first:cancel()
  channel:put('message')
  test.equal({ second:join() }, { true, 'message' })
  test.ok(fiber.is_cancelled(select(2, first:join())))
end)

test.case('a cancelled writer is skipped: its message is gone', function()
  local channel = fiber.channel()
  local first, second = fiber.spawn(channel.put, channel, 1), fiber.spawn(channel.put, channel, 2)
  fiber.yield()
  first:cancel()
  test.equal(channel:get(), 2)
  test.ok(fiber.is_cancelled(select(2, first:join())))
  test.equal({ second:join() }, { true, true })
end)

test.case('a reader that is cancelled after it was handed a message still gets it', function()
  local channel = fiber.channel()
  local reader = fiber.spawn(function() return channel:get() end)
  fiber.yield()
  channel:put('handed over')
  reader:cancel()
  test.equal({ reader:join() }, { true, 'handed over' })
end)

test.case('a cancelled fiber neither gets nor puts, even if it need not wait', function()
  local channel = fiber.channel(2)
  channel:put('a')
  local f = fiber.spawn(function()
    return fiber.is_cancelled(select(2, pcall(channel.get, channel))),
      fiber.is_cancelled(select(2, pcall(channel.put, channel, 'b')))
  end)
  f:cancel()
  test.equal({ f:join() }, { true, true, true })
  test.equal(channel:count(), 1)
end)

test.case('size, count and the questions', function()
  local channel = fiber.channel(2)
  local function state()
    return { channel:size(), channel:count(), channel:is_full(), channel:is_empty(),
      channel:has_readers(),
      channel:has_writers(), channel:is_closed() }
  end
  test.equal(state(), { 2, 0, false, true, false, false, false })
  local reader = fiber.create(channel.get, channel)
  test.equal(state(), { 2, 0, false, true, true, false, false })
  reader:cancel()
  channel:put(1)
  test.equal(state(), { 2, 1, false, false, false, false, false })
  channel:put(2)
  fiber.create(channel.put, channel, 3)
  test.equal(state(), { 2, 2, true, false, false, true, false })
  channel:close()
  test.equal(state(), { 2, 2, true, false, false, false, true })
  local direct = fiber.channel()
  test.equal({ direct:size(), direct:is_full(), direct:is_empty() }, { 0, true, true })
end)

test.case('tostring says how many, or that it is closed', function()
  local channel = fiber.channel(2)
  test.equal(tostring(channel), 'channel: 0')
  channel:put(1)
  test.equal(tostring(channel), 'channel: 1')
  channel:close()
  test.equal(tostring(channel), 'channel: closed')
end)

test.case('a capacity is a number from 0 on', function()
  test.equal(fiber.channel(nil):size(), 0)
  test.equal(fiber.channel(2.5):size(), 2)
  test.equal(fiber.channel('3'):size(), 3)
  for _, bad in ipairs { -1, 0 / 0, math.huge, 1e300, math.mininteger } do
    test.raises('capacity', fiber.channel, bad)
  end
  test.raises('number expected', fiber.channel, {})
end)

test.case('the methods take channels only', function()
  local channel = fiber.channel()
  for _, name in ipairs { 'put', 'get', 'close', 'size', 'count', 'is_full', 'is_empty',
      'has_readers',
    'has_writers', 'is_closed' } do
    test.raises('channel expected', channel[name], {}, 1)
    test.raises('channel expected', channel[name], fiber.cond(), 1)
  end
end)

test.case('messages cross between coroutines of different fibers', function()
  local channel = fiber.channel()
  local f = fiber.spawn(coroutine.wrap(function()
    local sum = 0
    for message in function() return channel:get() end do sum = sum + message end
    return sum
  end))
  coroutine.wrap(function()
    for i = 1, 10 do channel:put(i) end
  end)()
  channel:close()
  test.equal({ f:join() }, { true, 55 })
end)

test.case('a parked fiber keeps its message alive', function()
  local channel = fiber.channel()
  fiber.create(function() channel:put({ ('x'):rep(100) }) end)
  collectgarbage()
  collectgarbage()
  test.equal(#channel:get()[1], 100)
end)

test.case('a hundred writers and a hundred readers lose nothing', function()
  local channel = fiber.channel(7)
  local sum, group = 0, fiber.wait_group()
  group:add(200)
  for i = 1, 100 do
    fiber.new(function()
      for k = 1, 20 do channel:put(i * 100 + k) end
      group:done()
    end)
    fiber.new(function()
      for _ = 1, 20 do
        local message = channel:get() -- not inside the sum: others change it meanwhile
        sum = sum + message
      end
      group:done()
    end)
  end
  group:wait()
  test.equal(sum, 100 * 20 * 100 * 101 // 2 + 100 * 210)
end)

test.finish()
