-- luasocket_test.lua: LuaSocket's API where it meets fibers. What it has in common with LuaSocket
-- itself is compared in ../luasocket.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local descriptors = require 'descriptors'
local fiber = require 'fiber'
local socket = require 'socket'

local function pair()
  local server = assert(socket.bind('127.0.0.1', 0))
  local client = assert(socket.connect('127.0.0.1', (select(2, server:getsockname()))))
  local accepted = assert(server:accept())
  server:close()
  return client, accepted
end

--- A fiber that waits in a call; what that returned is what join() gives.
local function waiting(f, ...)
  local one = fiber.spawn(f, ...)
  test.settle()
  test.equal(one:status(), 'suspended')
  return one
end

-- -- The module -----------------------------------------------------------------------------------

test.case('one table is coir.socket and LuaSocket', function()
  test.ok(socket == require 'coir.socket' and socket == require 'socket.core')
  test.ok(socket.unix == require 'socket.unix')
  local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM')
  a:write('x')
  test.equal(b:read(1), 'x')
end)

test.case('coir.socket has LuaSocket\'s names only when they are asked for', function()
  local result = child.run [[
    local own = require 'coir.socket'
    print(own.tcp, own.select, own.bind)
    print(type(require('socket').tcp), type(own.tcp))
  ]]
  test.equal({ result.out, result.err }, { 'nil\tnil\tnil\nfunction\tfunction\n', '' })
end)

-- -- Waiting --------------------------------------------------------------------------------------

test.case('100 fibers wait in receive at once', function()
  local fibers, ends = {}, {}
  for i = 1, 100 do
    local a, b = pair()
    ends[i] = a
    fibers[i] = fiber.spawn(function() return b:receive(), b:receive(3) end)
  end
  test.settle()
  for i = 100, 1, -1 do ends[i]:send(('line %d\nabc'):format(i)) end
  for i = 1, 100 do test.equal({ fibers[i]:join(10) }, { true, 'line ' .. i, 'abc' }) end
end)

test.case('accept, connect and datagrams wait for others of this process', function()
  local server = assert(socket.bind('127.0.0.1', 0))
  local _, port = server:getsockname()
  local serving = waiting(function()
    local s = server:accept()
    s:send(s:receive():upper() .. '\n')
    s:close()
  end)
  local s = socket.tcp()
  test.equal(s:connect('127.0.0.1', port), 1)
  s:send('hello\n')
  test.equal(s:receive(), 'HELLO')
  test.equal({ serving:join(10) }, { true })
  local u = socket.udp4()
  u:setsockname('127.0.0.1', 0)
  local hearing = waiting(function() return (u:receivefrom()) end)
  socket.udp4():sendto('datagram', '127.0.0.1', (select(2, u:getsockname())))
  test.equal({ hearing:join(10) }, { true, 'datagram' })
end)

test.case('one fiber sends 8 MiB while another receives them', function()
  local a, b = pair()
  local much = ('0123456789abcdef'):rep(1 << 19)
  local sending = fiber.spawn(function() return a:send(much), a:close() end)
  test.ok(b:receive('*a') == much)
  test.equal({ sending:join(10) }, { true, #much, 1 })
end)

test.case('sleep lets others run', function()
  local ran = false
  fiber.new(function() ran = true end)
  socket.sleep(0)
  test.ok(ran)
end)

test.case('a loop that only looks lets others run', function()
  local a, b = pair()
  b:settimeout(0)
  fiber.new(function() a:send('here\n') end)
  local line
  repeat line = b:receive() until line
  test.equal(line, 'here')
end)

test.case('both timeouts: each wait has its own limit, and all together have another', function()
  local a, b = pair()
  local stop = false
  local dribbling = fiber.new(function()
    while not stop do
      a:send('.')
      fiber.sleep(0.005)
    end
  end)
  b:settimeout(2)
  b:settimeout(0.1, 't')
  local data, problem, part = test.takes(0.09, 10, b.receive, b)
  test.equal({ data, problem, part:find('^%.+$') ~= nil }, { nil, 'timeout', true })
  b:settimeout(5)
  b:settimeout(60, 't')
  test.equal(b:receive(5), '.....')
  stop = true
  test.eventually(function() return dribbling:status() == 'dead' end)
  b:settimeout(0.02)
  data, problem = test.takes(0.01, 10, b.receive, b)
  test.equal({ data, problem }, { nil, 'timeout' })
end)

-- -- Closing and cancelling -----------------------------------------------------------------------

test.case('close ends a receive in another fiber, with what had come', function()
  local a, b = pair()
  local receiving = waiting(function() return b:receive() end)
  a:send('part')
  test.settle()
  b:close()
  test.equal({ receiving:join(10) }, { true, nil, 'closed', 'part' })
  test.equal({ b:receive('*a') }, { nil, 'closed', '' })
end)

test.case('close ends an accept, a send and a receive of datagrams in another fiber', function()
  local server = assert(socket.bind('127.0.0.1', 0))
  local accepting = waiting(function() return server:accept() end)
  server:close()
  test.equal({ accepting:join(10) }, { true, nil, 'closed' })
  local a, b = pair()
  local sending = waiting(function() return a:send(('x'):rep(1 << 24)) end)
  a:close()
  local ok, sent, problem, last = sending:join(10)
  test.equal({ ok, sent, problem, last > 0 and last < 1 << 24 }, { true, nil, 'closed', true })
  b:close()
  local u = socket.udp4()
  local hearing = waiting(function() return u:receive() end)
  u:close()
  test.equal({ hearing:join(10) }, { true, nil, 'refused' })
end)

test.case('cancellation passes through protect, and loses nothing', function()
  local a, b = pair()
  local receiving = waiting(socket.protect(function() return socket.try(b:receive()) end))
  a:send('half')
  test.settle()
  receiving:cancel()
  local ok, problem = receiving:join(10)
  test.equal({ ok, fiber.is_cancelled(problem) }, { false, true })
  a:send(' a line\n')
  test.equal(b:receive(), 'half a line')
end)

test.case('two fibers may not receive from one stream at once', function()
  local a, b = pair()
  local first = waiting(function() return b:receive() end)
  test.equal({ b:receive() }, { nil, 'Device or resource busy', '' })
  a:send('for the first\n')
  test.equal({ first:join(10) }, { true, 'for the first' })
end)

test.case('an object leaves its scope closed', function()
  local a, b = pair()
  do
    local scoped <close> = a
    test.equal(scoped:send('last\n'), 5)
  end
  test.equal({ b:receive(), a:getfd() }, { 'last', -1 })
end)

test.case('objects leave no descriptor behind', function()
  collectgarbage()
  collectgarbage()
  local before = descriptors.count()
  for _ = 1, 50 do
    local a, b = pair()
    a:close()
    b:close()
    socket.connect('127.0.0.1', 1)
    local s = socket.tcp()
    s:connect('127.0.0.1', 1)
    s:close()
    socket.select({ pair() }, nil, 0.001)
  end
  collectgarbage()
  collectgarbage()
  test.equal(descriptors.count(), before)
end)

-- -- Numbers --------------------------------------------------------------------------------------

test.case('what is buffered moves along when an object is given another number', function()
  local a, b = pair()
  a:send('one\ntwo\n')
  test.equal(b:receive(), 'one')
  local number = b:getfd()
  b:setfd(-1)
  test.equal({ b:getfd(), b:dirty() }, { -1, true })
  b:setfd(number)
  a:send('three\n')
  test.equal({ b:receive() }, { 'two' })
  test.equal({ b:receive() }, { 'three' })
end)

test.case('setfd refuses a number that is not open', function()
  local s = socket.tcp4()
  local number = s:getfd()
  test.raises('bad argument #1 to \'setfd\' %(not an open descriptor%)',
    function() s:setfd(1 << 20) end)
  test.equal(s:getfd(), number)
end)

-- -- select ---------------------------------------------------------------------------------------

test.case('select waits for another fiber', function()
  local a, b = pair()
  local selecting = waiting(function() return socket.select({ a, b }, nil, 10)[1] == b end)
  a:send('x')
  test.equal({ selecting:join(10) }, { true, true })
end)

test.case('select lets others run, also when something is ready', function()
  local a = pair()
  local ran = 0
  fiber.new(function() ran = ran + 1 end)
  socket.select(nil, { a }, 0)
  test.equal(ran, 1)
  fiber.new(function() ran = ran + 1 end)
  socket.select({ a }, nil, 0)
  test.equal(ran, 2)
end)

test.case('select takes sockets of coir beside objects of LuaSocket', function()
  local a, b = socket.socketpair('AF_UNIX', 'SOCK_STREAM')
  local c, d = pair()
  a:write('one\ntwo\n')
  c:send('x')
  local readable = socket.select({ b, d }, nil, 10)
  test.equal({ #readable, readable[b] ~= nil, readable[d] ~= nil }, { 2, true, true })
  b:readline()
  test.equal(socket.select({ b }, nil, 10)[1] == b, true) -- the second line is buffered
  b:readline()
  test.equal({ select(3, socket.select({ b }, nil, 0)) }, { 'timeout' })
end)

test.case('select takes numbers above 1,024', function()
  local all = {}
  for i = 1, 600 do all[2 * i - 1], all[2 * i] = socket.socketpair('AF_UNIX', 'SOCK_STREAM') end
  if not all[1200] then return test.skip('numbers above 1,024', 'no descriptors') end
  local last, writer = all[1200], all[1199]
  test.ok(last:fd() > 1024)
  local selecting = waiting(function() return socket.select(all, nil, 10) end)
  writer:write('x')
  local ok, readable = selecting:join(10)
  test.equal({ ok, #readable, readable[1] == last }, { true, 1, true })
  for _, s in ipairs(all) do s:close() end
end)

test.case('select ends when its fiber is cancelled', function()
  local a, b = pair()
  local selecting = waiting(socket.select, { a }, nil)
  selecting:cancel()
  local ok, problem = selecting:join(10)
  test.equal({ ok, fiber.is_cancelled(problem) }, { false, true })
  b:close()
end)

-- -- Names ----------------------------------------------------------------------------------------

--- Runs the body with a hosts file of its own.
local function with_hosts(text, body)
  local resolver, path = require 'coir.dns', os.tmpname()
  local file = assert(io.open(path, 'w'))
  file:write(text)
  file:close()
  local before = resolver.files()
  resolver.files { hosts = path }
  local ok, problem = pcall(body)
  resolver.files(before)
  os.remove(path)
  if not ok then error(problem, 0) end
end

test.case('connect tries each address of a name', function()
  with_hosts('127.0.0.2 two.test\n127.0.0.1 two.test\n', function()
    local server = assert(socket.bind('127.0.0.1', 0))
    local _, port = server:getsockname()
    for _, s in ipairs { assert(socket.connect('two.test', port)), socket.tcp(), socket.tcp4() } do
      if not s:getpeername() then test.equal({ s:connect('two.test', port) }, { 1 }) end
      test.equal((s:getpeername()), '127.0.0.1')
    end
    server:close()
    test.equal({ socket.connect('two.test', port) }, { nil, 'connection refused' })
  end)
end)

test.case('a server and a datagram socket can be bound by name', function()
  with_hosts('127.0.0.3 three.test\n', function()
    test.equal((assert(socket.bind('three.test', 0)):getsockname()), '127.0.0.3')
    local u = socket.udp()
    test.equal({ u:setsockname('three.test', 0), (u:getsockname()) }, { 1, '127.0.0.3' })
  end)
end)

test.case('names and addresses are those of the hosts file', function()
  with_hosts('127.0.0.3 three.test drei.test\n::1 six.test\n', function()
    local name, entry = socket.dns.tohostname('127.0.0.3')
    test.equal({ name, entry.alias }, { 'three.test', { 'drei.test' } })
    test.equal((socket.dns.toip('drei.test')), '127.0.0.3')
    test.equal(socket.dns.getaddrinfo('six.test'), { { family = 'inet6', addr = '::1' } })
    test.equal(socket.dns.getnameinfo('::1'), { 'six.test' })
    test.equal({ socket.dns.toip('six.test') }, { nil, 'host not found' })
  end)
end)

-- -- Failures -------------------------------------------------------------------------------------

test.case('running out of descriptors is an error of the call', function()
  local result = child.shell([[ulimit -n 40; exec "$0" -e '
    local socket = require "socket"
    local all, problem = { socket.udp4() }, nil
    repeat
      all[#all + 1], problem = socket.tcp4()
    until problem
    print(problem, #all > 5)
    print(socket.udp(), select(2, socket.unix()), select(2, socket.bind("127.0.0.1", 0)))
    print(pcall(socket.select, { all[1] }, nil, 5))
  ']])
  test.equal(result.out:gsub('0x%x+', '…'),
    'Too many open files\ttrue\nudp{unconnected}: …\tToo many open files\tToo many open files\n'
    .. 'false\tselect failed\n')
end)

test.case('outside a fiber, a wait raises, and in a finalizer', function()
  local result = child.run [[
    local socket = require 'socket'
    local server = socket.bind('127.0.0.1', 0)
    setmetatable({}, { __gc = function() print(pcall(server.accept, server)) end })
    collectgarbage()
  ]]
  test.match(result.out, 'false\t.*cannot wait inside a finalizer')
end)

test.finish()
