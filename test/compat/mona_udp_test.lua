-- mona_udp_test.lua: MonaServer's UDP socket.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local child = require 'child'
local loggers = require 'loggers'
local loopback = require 'loopback'
local fiber = require 'fiber'
local mona = require 'coir.compat.mona'

local NOTE, ERROR = mona.NOTE, mona.ERROR

--- A socket that is bound to a free port, and the list of what it gets.
local function bound(allow)
  local s, got = mona:createUDPSocket(allow), {}
  function s:onPacket(data, address) got[#got + 1] = { data, address } end
  test.equal(select('#', s:bind('127.0.0.1:0')), 0)
  return s, got
end

test.case("the page's echo server and its client", function()
  -- Changed: port 0, and locals.
  local echo = mona:createUDPSocket()
  do
    local socket = echo
    function socket:onPacket(data,address)
      NOTE("Reception from "..address)
      self:send(data,address) -- echo sample
    end
    local err = socket:bind("127.0.0.1:0") -- start the server
    if err then ERROR(err) end
  end

  local port = math.tointeger(tonumber(echo.address:match ':(%d+)$'))
  local socket, done = mona:createUDPSocket(), fiber.cond()
  function socket:onPacket(data,address)
    NOTE("Reception from "..address..": "..data)
    done:signal() -- so that the test can go on
  end
  socket:connect("127.0.0.1", port)
  NOTE("UDP socket opened on ",socket.address," connected to ",socket.peerAddress)
  socket:send("hello")
  done:wait()

  local lines = loggers.take()
  test.equal(lines[1], ('NOTE UDP socket opened on %s connected to %s'):format(socket.address, echo.address))
  test.equal(lines[2], 'NOTE Reception from ' .. socket.address)
  test.equal(lines[3], 'NOTE Reception from ' .. echo.address .. ': hello')
  test.equal(#lines, 3)
  echo:close()
  socket:close()
end)

test.case('a bound socket keeps the program alive until it is closed', function()
  local result = child.run([[
    socket = mona:createUDPSocket()
    function socket:onPacket(data,address)
      NOTE(data)
      self:close()
    end
    err = socket:bind("0.0.0.0:0")
    if err then ERROR(err) end
    NOTE(socket.address, socket.peerAddress)
    local client = mona:createUDPSocket()
    client:bind("127.0.0.1:0")
    socket:close()
    socket:bind("127.0.0.1:0")
    client:send("bye", socket.address)
    client:close()
  ]], '-l', 'coir.compat.mona')
  test.equal({ result.code, result.err }, { 0, 'NOTE (null)(null)\nNOTE bye\n' })
end)

test.case('bind: every form, and what is none', function()
  for _, form in ipairs { { '127.0.0.1:0' }, { '127.0.0.1', 0 }, { 'localhost', '0' }, { '[::1]:0' }, { 0 }, { '0' },
                          { mona:createSocketAddress('127.0.0.1', 0) } } do
    local s = mona:createUDPSocket()
    test.equal(s:bind(table.unpack(form)), nil)
    s:close()
  end
  local _, port = loopback.datagram()
  for _, wrong in ipairs { { '127.0.0.1' }, { '127.0.0.1', 'x' }, { '127.0.0.1', 70000 }, { nil },
                           { '127.0.0.1', port }, { '192.0.2.1', 0 } } do
    test.equal(type(mona:createUDPSocket():bind(table.unpack(wrong, 1, 2))), 'string')
  end
  return _
end)

test.case('bind twice: the same address is fine, another is not; connected it is refused', function()
  local s = bound()
  test.equal(s:bind(s.address), nil)
  test.match(s:bind('127.0.0.1:0'), 'already bound')
  local c = mona:createUDPSocket()
  c:connect(s.address)
  test.match(c:bind('127.0.0.1:0'), 'connected')
  s:close()
  c:close()
  s:close()
  test.equal(s:bind('127.0.0.1:0'), nil)
  s:close()
end)

test.case('addresses: nil unconnected, its own when bound, both when connected', function()
  local s = mona:createUDPSocket()
  test.equal({ s.address, s.peerAddress }, {})
  s:bind('0.0.0.0:0')
  test.equal({ s.address, s.peerAddress }, {})
  s:close()
  local b = bound()
  test.match(b.address, '^127%.0%.0%.1:%d+$')
  s:connect(b.address)
  test.match(s.address, '^127%.0%.0%.1:%d+$')
  test.equal(s.peerAddress, b.address)
  mona.addressObjects = true
  local port = s.peerAddress.port
  mona.addressObjects = false
  test.equal(b.address, '127.0.0.1:' .. port)
  s:disconnect()
  test.equal({ s.address, s.peerAddress }, {})
  b:close()
  test.equal({ b.address, b.peerAddress }, {})
end)

test.case('send: to one string, two arguments, the peer, the string given to onPacket', function()
  local b, got = bound()
  local s, answers = bound()
  function b:onPacket(data, address)
    got[#got + 1] = data
    test.equal(self:send('re ' .. data, address), nil)
  end
  local host, port = b.address:match '^(.*):(%d+)$'
  test.equal(s:send('1', b.address), nil)
  test.equal(s:send('2', host, math.tointeger(port)), nil)
  test.equal(s:send('3', host, port), nil)
  test.equal(s:connect(b.address), nil)
  test.equal(s:send('4'), nil)
  test.eventually(function() return #answers == 4 end)
  test.equal(got, { '1', '2', '3', '4' })
  test.equal(answers[1], { 're 1', b.address })
  b:close()
  s:close()
end)

test.case('an unbound socket gets answers to what it has sent, and can be bound afterwards', function()
  local b = bound()
  function b:onPacket(data, address) self:send(data, address) end
  local s, got = mona:createUDPSocket(), 0
  function s:onPacket() got = got + 1 end
  s:send('x', b.address)
  test.eventually(function() return got == 1 end)
  test.equal(s:bind('127.0.0.1:0'), nil)
  s:send('x', b.address)
  test.eventually(function() return got == 2 end)
  b:close()
  s:close()
end)

test.case('failures to send give a message', function()
  local s = mona:createUDPSocket()
  test.match(s:send 'x', 'without recipient')
  test.equal(type(s:send('x', 'nonsense')), 'string')
  test.equal(type(s:send('x', '127.0.0.1', 'y')), 'string')
  test.raises('must be a string', s.send, s, nil, '127.0.0.1:1')
  local b = bound()
  test.equal(b:send('', b.address), nil)
  test.match(b:send(('x'):rep(70000), b.address), '127.0.0.1:.*Message too long')
  test.match(b:send('x', '[::1]:5'), 'family')
  test.match(b.address, '^127') -- it is still bound
  b:close()
end)

test.case('a datagram of any size arrives whole; empty ones are not sent', function()
  local b, got = bound()
  local s = mona:createUDPSocket()
  s:connect(b.address)
  for _, size in ipairs { 1, 1500, 0, 65507 } do test.equal(s:send(('x'):rep(size)), nil) end
  test.eventually(function() return #got == 3 end)
  test.equal({ #got[1][1], #got[2][1], #got[3][1] }, { 1, 1500, 65507 })
  b:close()
  s:close()
end)

test.case('connected, only the peer\'s packets arrive; connecting again changes the peer', function()
  local a, from_a = bound()
  local b = bound()
  local s, got = mona:createUDPSocket(), {}
  function s:onPacket(data) got[#got + 1] = data end
  s:connect(a.address)
  b:send('stranger', s.address)
  a:send('peer', s.address)
  test.eventually(function() return #got == 1 end)
  s:connect(b.address)
  test.equal(s.peerAddress, b.address)
  a:send('stranger', s.address)
  b:send('new peer', s.address)
  test.eventually(function() return #got == 2 end)
  test.equal(got, { 'peer', 'new peer' })
  s:disconnect()
  test.match(s:send 'x', 'without recipient')
  test.equal(from_a, {})
  for _, one in ipairs { a, b, s } do one:close() end
end)

test.case('disconnect leaves a bound socket bound', function()
  local s = bound()
  local address = s.address
  local b = bound()
  s:connect(b.address)
  s:disconnect()
  test.equal({ s.address, s.peerAddress }, { address })
  s:disconnect()
  s:close()
  b:close()
end)

test.case('a port that nobody has is a warning, and no event', function()
  local b = bound()
  local address = b.address
  b:close()
  local s = mona:createUDPSocket()
  function s.onPacket() error 'an event' end
  loggers.take()
  s:connect(address)
  s:send 'x'
  local line
  test.eventually(function()
    line = line or loggers.take()[1]
    return line
  end)
  test.equal(line, 'WARN UDPSocket: Connection refused')
  s:close()
end)

test.case('0.0.0.0 means this machine', function()
  local b, got = bound()
  local s = mona:createUDPSocket()
  s:connect('0.0.0.0:' .. b.address:match '%d+$')
  s:send 'here'
  test.eventually(function() return #got == 1 end)
  b:close()
  s:close()
end)

test.case('broadcast only with the flag', function()
  local without, with = mona:createUDPSocket(), mona:createUDPSocket(true)
  test.match(without:send('x', '127.255.255.255:9'), 'Permission denied')
  test.equal(with:send('x', '127.255.255.255:9'), nil)
  test.equal(without:send('x', '127.0.0.1:9'), nil)
  without:close()
  with:close()
end)

test.case('errors in the handler are logged; packets wait for their turn', function()
  local b = bound()
  local order = {}
  loggers.take()
  function b:onPacket(data)
    order[#order + 1] = data
    fiber.sleep(0.01)
    order[#order + 1] = 'end'
    error 'in onPacket'
  end
  local s = mona:createUDPSocket()
  s:send('1', b.address)
  s:send('2', b.address)
  test.eventually(function() return #order == 4 end)
  test.settle()
  test.equal(order, { '1', 'end', '2', 'end' })
  test.equal(#loggers.take(), 2)
  b:close()
  s:close()
end)

test.finish()
