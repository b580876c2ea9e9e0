-- channel.lua: fiber.channel: put and get with and without room, timeouts, order, close, and what a
-- channel says of itself.
--
-- Left out because coir means to differ: closing a channel that still holds messages.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local fiber = require 'fiber'

-- What a channel says of itself in one string.
local function state(channel)
  local words = {
    'size ' .. string.format('%d', channel:size()),
    'count ' .. string.format('%d', channel:count()),
  }
  for _, question in ipairs { 'is_full', 'is_empty', 'has_readers', 'has_writers', 'is_closed' } do
    if channel[question](channel) then words[#words + 1] = question end
  end
  return table.concat(words, ', ')
end

-- Starts one fiber for each name, which calls `f(name)`. Returns a function that says what these
-- calls have returned, in that order.
local function start(names, f)
  local log = {}
  for _, name in ipairs(names) do
    fiber.create(function()
      local result = f(name)
      log[#log + 1] = name .. '=' .. tostring(result)
    end)
  end
  return function() return table.concat(log, ' ') end
end

t.case('create', function()
  t.check('without a size', state(fiber.channel()))
  t.check('size nil', state(fiber.channel(nil)))
  t.check('size 0', state(fiber.channel(0)))
  t.check('size 3', state(fiber.channel(3)))
  t.check('size 2.5', state(fiber.channel(2.5)))
  t.refuses('size -1', fiber.channel, -1)
  t.refuses('size in a word', fiber.channel, 'large')
  t.refuses('size in a table', fiber.channel, {})
  t.check('as a string', tostring(fiber.channel()), tostring(fiber.channel(5)))
end)

t.case('room', function()
  local channel = fiber.channel(2)
  t.check('put', channel:put('one'), state(channel))
  t.check('put to the last place', channel:put('two'), state(channel))
  t.check('put when full, timeout 0', (channel:put('three', 0)))
  t.check('put when full, short timeout', (channel:put('three', 0.005)))
  t.check('with messages, as a string', tostring(channel))
  t.check('get', channel:get(), state(channel))
  t.check('get the last', channel:get(), state(channel))
  t.check('get when empty, timeout 0', (channel:get(0)))
  t.check('get when empty, short timeout', (channel:get(0.005)))
end)

t.case('messages', function()
  local channel = fiber.channel(10)
  local list = { 1, 2 }
  local function f() end
  channel:put(list)
  channel:put(f)
  channel:put(false)
  channel:put(nil)
  channel:put(1.5)
  channel:put('')
  t.check('nil and false count', channel:count())
  t.check('a table', channel:get() == list)
  t.check('a function', channel:get() == f)
  t.check('false', channel:get())
  t.check('nil', (channel:get()))
  t.check('a fraction', channel:get())
  t.check('an empty string', channel:get())
  t.check('put, more arguments', channel:put('x', 1, 'ignored'))
  t.check('get, more arguments', channel:get(1, 'ignored'))
end)

t.case('rendezvous', function()
  local channel = fiber.channel()
  t.check('put without a reader', (channel:put('x', 0)))
  t.check('get without a writer', (channel:get(0)))
  local got
  fiber.create(function() got = channel:get() end)
  t.check('a reader waits', state(channel))
  t.check('put to a reader', channel:put('hello'))
  t.check('put does not switch', got)
  fiber.yield()
  t.check('the reader has it', got, state(channel))
  local put
  fiber.create(function() put = channel:put('from a writer') end)
  t.check('a writer waits', state(channel))
  t.check('get from a writer', channel:get())
  t.check('get does not switch', put)
  fiber.yield()
  t.check('the writer has gone on', put, state(channel))
end)

t.case('order', function()
  local channel = fiber.channel(1)
  local readers = start({ 'a', 'b', 'c' }, function() return channel:get() end)
  for i = 1, 3 do
    channel:put(i .. '')
    fiber.yield()
  end
  t.check('readers in order', readers())

  channel:put('buffered')
  local writers = start({ 'a', 'b', 'c' }, function(name) return channel:put(name) end)
  t.check('writers wait', state(channel))
  local got = {}
  for i = 1, 4 do got[i] = channel:get() end
  t.check('buffered first, then writers in order', table.concat(got, ' '))
  fiber.yield()
  t.check('the writers have gone on', writers(), state(channel))
end)

t.case('waiting', function()
  local channel = fiber.channel(1)
  local got = 'nothing yet'
  local reader = fiber.create(function() got = channel:get(1000) end)
  reader:wakeup()
  fiber.yield()
  fiber.yield()
  t.check('wakeup does not end get', got)
  channel:put('something')
  fiber.yield()
  t.check('put does', got)

  channel:put('first')
  local put = 'not yet'
  local writer = fiber.create(function() put = channel:put('second', 1000) end)
  writer:wakeup()
  fiber.yield()
  fiber.yield()
  t.check('wakeup does not end put', put)
  channel:get()
  fiber.yield()
  t.check('get does', put, channel:get())

  local before = fiber.clock()
  channel:get(0.02)
  t.check('a timeout takes its time', fiber.clock() - before > 0.015)
  got = 'nothing yet'
  fiber.create(function() got = channel:get(0.005) end)
  while got == 'nothing yet' do fiber.sleep(0.001) end
  t.check('a reader that timed out', got, state(channel))
  t.check('the next message stays', channel:put('kept'), state(channel), channel:get())

  local count = 0
  local consumer = fiber.create(function()
    while channel:get() do count = count + 1 end
  end)
  for i = 1, 100 do channel:put(i) end
  channel:put(false)
  while consumer:status() ~= 'dead' do fiber.yield() end
  t.check('a hundred messages through one place', count)
end)

t.case('close', function()
  local channel = fiber.channel()
  local readers = start({ 'a', 'b' }, function() return (channel:get()) end)
  t.check('close returns nothing', select('#', channel:close()))
  t.check('close does not switch', readers())
  fiber.yield()
  t.check('it wakes the readers', readers())
  t.check('closed', state(channel), tostring(channel))
  t.check('put to a closed channel', (channel:put('x')), (channel:put('x', 0)))
  t.check('get from a closed channel', (channel:get()), (channel:get(0)))

  channel = fiber.channel()
  local writers = start({ 'a', 'b' }, function(name) return (channel:put(name, 1000)) end)
  channel:close()
  fiber.yield()
  t.check('it wakes the writers', writers())
end)

t.case('wrong arguments', function()
  local channel = fiber.channel(1)
  t.refuses('put nothing', channel.put, channel)
  t.refuses('put, negative timeout', channel.put, channel, 'x', -1)
  t.refuses('put, a word as timeout', channel.put, channel, 'x', 'soon')
  t.refuses('get, negative timeout', channel.get, channel, -1)
  t.refuses('get, a word as timeout', channel.get, channel, 'soon')
  t.refuses('get without a channel', channel.get)
  t.refuses('put without a channel', channel.put)
  t.refuses('count of another object', channel.count, {})
  t.check('nothing was put', channel:count())
  t.check('timeout nil', channel:put('x', nil), channel:get(nil))
end)

os.exit(0)
