-- leak_test.lua: after many connections, fibers and failures, descriptors and memory are where they
-- were.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local descriptors = require 'descriptors'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

--- Kibibytes of Lua memory and of resident memory.
local function memory()
  collectgarbage()
  collectgarbage()
  local statm <close> = io.open('/proc/self/statm')
  local _, resident = statm:read('n', 'n')
  return collectgarbage('count'), resident * 4
end

--- Calls body many times, first to warm up, and checks that after that they take nothing more.
local function settles(times, body)
  for _ = 1, 2 * times do body() end
  local lua_before, resident_before = memory()
  local open_before = descriptors.count()
  for _ = 1, times do body() end
  local lua_after, resident_after = memory()
  test.equal(descriptors.count(), open_before)
  local growth = lua_after - lua_before
  test.ok(growth < 100, ('%.0f KiB more of Lua memory'):format(growth))
  if child.sanitized() then return 0 end -- freed memory is kept to be watched
  return resident_after - resident_before
end

test.case('two thousand connections', function()
  local listener, port = loopback.listener()
  local server = fiber.new(function()
    while true do
      local s = listener:accept()
      fiber.new(function()
        for line in s:lines() do s:write(line .. '\n') end
        s:close()
      end)
    end
  end)
  local growth = settles(1000, function()
    local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
    s:sysconnect('127.0.0.1', port)
    s:write('hello\n')
    test.equal(s:readline(), 'hello\n')
    s:close()
    fiber.yield()
  end)
  server:cancel()
  test.ok(growth < 4000, growth .. ' KiB more resident memory')
end)

test.case('handlers that end before another fiber has left their socket', function()
  local readers = fiber.channel(1)
  local server = test.ok(socket.tcp_server('127.0.0.1', 0, function(s)
    readers:put(fiber.spawn(pcall, s.readline, s))
    test.eventually(function() return #s.rbuf > 0 end)
  end))
  local port = server:name().port
  local growth = settles(500, function()
    local s = test.ok(socket.tcp_connect('127.0.0.1', port))
    s:write('half a line')
    test.equal(s:readline(), '')
    test.equal({ readers:get():join() }, { true, false, 'attempt to use closed socket' })
  end)
  server:close()
  test.ok(growth < 4000, growth .. ' KiB more resident memory')
end)

test.case('sockets that are only forgotten', function()
  settles(100, function()
    loopback.unix_pair()
    collectgarbage('step')
    if descriptors.count() > 300 then collectgarbage() end
  end)
end)

test.case('running out of descriptors is EMFILE, and the collector helps', function()
  local kept = {}
  local limit = 1 << 20
  local s, message, code
  for _ = 1, limit do
    s, message, code = socket('AF_INET', 'SOCK_DGRAM', 0)
    if not s then break end
    kept[#kept + 1] = s
    if #kept > 5000 then break end -- the limit of this machine is higher than is worth the time
  end
  if not s then test.fails('EMFILE', s, message, code) end
  kept = nil -- luacheck: ignore
  collectgarbage()
  collectgarbage()
  test.ok(socket('AF_INET', 'SOCK_DGRAM', 0))
end)

test.case('fibers of every fate', function()
  settles(500, function()
    fiber.create(function() end)
    fiber.new(fiber.yield)
    fiber.spawn(function() return ('x'):rep(1000) end)
    local f = fiber.create(fiber.sleep, 100)
    f.storage.table = { f }
    f:cancel()
    fiber.spawn(error, 'thrown'):join()
    fiber.yield()
  end)
end)

test.case('waits that time out', function()
  local a, _b = loopback.pair()
  local cond, channel = fiber.cond(), fiber.channel()
  settles(500, function()
    a:read(1, 0)
    a:readable(0)
    socket.iowait(a:fd(), 'r', 0)
    cond:wait(0)
    channel:get(0)
    channel:put(1, 0)
  end)
  return _b
end)

test.case('calls that fail', function()
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  settles(300, function()
    socket('AF_NONE')
    socket.from_fd(-1)
    socket.socketpair('AF_INET', 'SOCK_STREAM', 0)
    s:sysconnect('nowhere', 'x')
    s:peer()
    s:sysread(1)
    pcall(s.setsockopt, s, 'socket', 'nosuch', 1)
    pcall(s.read, s, -1)
  end)
  test.ok(errno() >= 0)
end)

test.case('messages through channels, locks and conditions', function()
  local channel, mutex = fiber.channel(10), fiber.mutex()
  settles(300, function()
    for i = 1, 5 do channel:put({ i }) end
    for _ = 1, 5 do channel:get() end
    mutex:lock()
    mutex:unlock()
    fiber.channel()
    fiber.cond()
    fiber.semaphore(1)
  end)
end)

test.case('large reads give their memory back', function()
  local a, b = loopback.unix_pair()
  local growth = settles(3, function()
    local writer = fiber.spawn(b.write, b, ('x'):rep(20 << 20))
    test.equal(#a:read(20 << 20), 20 << 20)
    writer:join()
  end)
  test.ok(growth < 8000, growth .. ' KiB more resident memory')
end)

test.case('twenty thousand fibers at once, and then none', function()
  local growth = settles(1, function()
    local group = fiber.wait_group()
    for _ = 1, 20000 do
      group:add()
      fiber.new(function() fiber.sleep(0.01); group:done() end)
    end
    group:wait()
    fiber.yield()
  end)
  test.ok(growth < 20000, growth .. ' KiB more resident memory')
end)

test.finish()
