-- udp_server_test.lua: socket.udp_server.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local descriptors = require 'descriptors'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local function ignore() end

local function echo(data, from, s) s:sendto(from.host, from.port, data) end

local function serve(options, host)
  local server = test.ok(socket.udp_server(host or '127.0.0.1', 0, options))
  return server, server:name().port
end

--- Sends a datagram and returns the next one that comes, and its sender.
local function ask(s, port, text, host)
  assert(s:sendto(host or '127.0.0.1', port, text))
  return s:recvfrom(nil, nil, 10)
end

test.case('each datagram is one call with its sender, in a fiber named after it', function()
  local seen, name = {}, nil
  local server <close>, port = serve(function(data, from, s)
    seen[#seen + 1] = { data = data, from = from, s = s }
    name = fiber.name()
    echo(data, from, s)
  end)
  local client <close>, own_port = loopback.datagram()
  test.equal(ask(client, port, 'first'), 'first')
  test.equal(ask(client, port, ''), '')
  local large = ('x'):rep(65507)
  test.equal(ask(client, port, large), large)
  test.equal(#seen, 3)
  test.equal(seen[1].from, { host = '127.0.0.1', port = own_port, family = 'AF_INET' })
  test.ok(seen[1].s == server)
  test.equal(name, 'server/127.0.0.1:' .. own_port)
end)

test.case('the server is the socket, and comes with the address that was asked for', function()
  local server <close>, address = socket.udp_server('127.0.0.1', 0, ignore)
  test.equal(server:name().type, 'SOCK_DGRAM')
  test.equal(server:name().protocol, 'udp')
  test.equal(tostring(address), '127.0.0.1:0')
end)

test.case('a slow handler does not stop the others', function()
  local gate = fiber.cond()
  local server <close>, port = serve(function(data, from, s)
    if data == 'slow' then gate:wait() end
    echo(data, from, s)
  end)
  local client <close> = loopback.datagram()
  client:sendto('127.0.0.1', port, 'slow')
  test.equal(ask(client, port, 'quick'), 'quick')
  gate:signal()
  test.equal(client:recvfrom(nil, nil, 10), 'slow')
  test.ok(server)
end)

test.case('max_handlers leaves the rest in the queue', function()
  local gate, now, most, handled = fiber.cond(), 0, 0, 0
  local server <close>, port = serve { max_handlers = 2, handler = function()
    now = now + 1
    most = math.max(most, now)
    gate:wait()
    now = now - 1
    handled = handled + 1
  end }
  local client <close> = loopback.datagram()
  for i = 1, 7 do client:sendto('127.0.0.1', port, tostring(i)) end
  test.eventually(function()
    gate:broadcast()
    return handled == 7
  end)
  test.equal(most, 2)
  test.ok(server)
end)

test.case('an answer comes from the address that was asked', function()
  local server <close>, port = serve(echo, '0.0.0.0')
  local client <close> = assert(socket('AF_INET', 'SOCK_DGRAM'))
  assert(client:bind('0.0.0.0', 0))
  for _, host in ipairs { '127.0.0.1', '127.0.0.2', '127.3.3.3' } do
    local data, from = ask(client, port, host, host)
    test.equal(data, host)
    test.equal(from.host, host)
    test.equal(from.port, port)
  end
  test.ok(server)
end)

test.case('so it does when the handler waits before, and when it sends elsewhere, too', function()
  local third <close>, third_port = loopback.datagram()
  local server <close>, port = serve(function(data, from, s)
    fiber.sleep(0.001)
    s:sendto('127.0.0.1', third_port, 'by the way')
    echo(data, from, s)
  end, '0.0.0.0')
  local client <close> = assert(socket('AF_INET', 'SOCK_DGRAM'))
  assert(client:bind('0.0.0.0', 0))
  local _, from = ask(client, port, 'x', '127.0.0.9')
  test.equal(from.host, '127.0.0.9')
  test.equal({ third:recvfrom(nil, nil, 10) }, { 'by the way',
    { host = '127.0.0.1', port = port, family = 'AF_INET' } })
  test.ok(server)
end)

test.case('without a host it is every address, IPv6 apart from IPv4, all on one port', function()
  local server <close>, port = serve(echo, '')
  local v4 <close> = loopback.datagram()
  test.equal(ask(v4, port, 'four'), 'four')
  local v6 = socket('AF_INET6', 'SOCK_DGRAM')
  if not v6 or not v6:bind('::1', 0) then return test.skip('IPv6', 'this machine has none') end
  local data, from = ask(v6, port, 'six', '::1')
  test.equal({ data, from.host }, { 'six', '::1' })
  v6:close()
  test.ok(server)
end)

test.case('an error in a handler is reported, and the server goes on', function()
  local result = child.run [[
    local socket = require 'socket'
    local function handler(data, from, s)
      if data == 'bad' then error('out of tea') end
      s:sendto(from.host, from.port, 'good')
    end
    local server = socket.udp_server('127.0.0.1', 0, { name = 'shop', handler = handler })
    local s = socket('AF_INET', 'SOCK_DGRAM')
    s:sendto('127.0.0.1', server:name().port, 'bad')
    s:sendto('127.0.0.1', server:name().port, 'x')
    print(s:recv(nil, nil, 10))
    server:close()
  ]]
  test.equal(result.code, 0)
  test.equal(result.out, 'good\n')
  test.match(result.err,
    'fiber %d+ %(shop/127.0.0.1:%d+%) died: [^\n]*out of tea\nstack traceback:')
end)

test.case('stop waits for the handlers, then cancels them', function()
  local begun, cancelled = 0, 0
  local server, port = serve(function()
    begun = begun + 1
    local ok = pcall(fiber.sleep, 1000)
    if not ok then cancelled = cancelled + 1 end
  end)
  local client <close> = loopback.datagram()
  client:sendto('127.0.0.1', port, 'a')
  client:sendto('127.0.0.1', port, 'b')
  test.eventually(function() return begun == 2 end)
  test.equal(test.refused('ETIMEDOUT', server:stop(0)), '2 handlers were cancelled')
  test.equal(cancelled, 2)
  test.raises('attempt to use closed socket', server.name, server)
end)

test.case('a thousand datagrams leave nothing behind', function()
  local server <close>, port = serve(echo)
  local client <close> = loopback.datagram()
  local before = descriptors.count()
  for i = 1, 1000 do test.equal(ask(client, port, tostring(i)), tostring(i)) end
  test.equal(descriptors.count(), before)
  test.ok(server)
end)

local short = 'what waits for memory is answered from where it was sent to, whatever comes meanwhile'
if child.sanitized() then
  test.skip(short, 'AddressSanitizer needs memory without limits')
else
  test.case(short, function()
    local result = child.shell([[ulimit -v 3000000; exec "$0" --stack=256m -e '
    local fiber, socket = require "fiber", require "socket"
    local handled = {}
    local server = assert(socket.udp_server("", 0, function(data, from, s)
      handled[#handled + 1] = data
      s:sendto(from.host, from.port, data)
    end))
    local port = server:name().port
    local old, new = socket("AF_INET", "SOCK_DGRAM"), socket("AF_INET6", "SOCK_DGRAM")
    if not new:bind("::1", 0) then -- there is no second socket
      print("first", "127.0.0.2")
      os.exit()
    end
    local gate = fiber.cond()
    repeat until not fiber.new(gate.wait, gate)
    old:sendto("127.0.0.2", port, "first")
    local function is_short()
      for _, row in pairs(fiber.info()) do
        if (row.waiting or ""):match("resources") then return true end
      end
    end
    repeat fiber.yield() until is_short()
    gate:broadcast()
    new:sendto("::1", port, "second")
    local data, from = old:recvfrom(nil, nil, 10)
    print(data, from.host)
    assert(new:recvfrom(nil, nil, 10) == "second")
    server:close()
  ']])
    test.match(result.out, '^first\t127.0.0.2\n$')
    test.equal(result.code, 0)
  end)
end

test.case('wrong arguments raise, and what cannot be listened on fails', function()
  test.raises('udp_server: handler is missing', socket.udp_server, '127.0.0.1', 0)
  test.raises('udp_server: unknown option max_connections', socket.udp_server, '127.0.0.1', 0,
    { handler = ignore, max_connections = 1 })
  test.raises('udp_server: max_handlers must be an integer from 1', socket.udp_server,
    '127.0.0.1', 0, { handler = ignore, max_handlers = 0 })
  test.fails('EAFNOSUPPORT', socket.udp_server('unix/', '/tmp/x', ignore))
  test.fails('EINVAL', socket.udp_server('127.0.0.1', 65536, ignore))
  local taken <close>, port = loopback.datagram()
  test.fails('EADDRINUSE', socket.udp_server('127.0.0.1', port, ignore))
  test.equal(socket.errno(), errno.EADDRINUSE)
  test.ok(taken)
end)

test.finish()
