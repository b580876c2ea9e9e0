-- vendetta_raw_test.lua: the class TCPSocket, method by method.
local here = arg[0]:match('^.*/') or './'
package.path = here .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local child = require 'child'
local base = require 'coir.compat.base'
local compat = require 'coir.compat.vendetta'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'
local test = require 'test'

local TCPSocket = compat.TCPSocket

-- -- Connect ----------------------------------------------------------------------------------------

test.case('Connect returns 1 and nil, and does not wait', function()
  local _listener, port = vendetta.plain_listener()
  local tcp = TCPSocket()
  local switches = fiber.self():csw()
  local results = table.pack(tcp:Connect('127.0.0.1', port))
  test.equal(fiber.self():csw(), switches)
  test.equal(results, { n = 2, 1, nil })
  return _listener
end)

test.case('Connect takes the port as text', function()
  local listener, port = vendetta.plain_listener()
  test.equal(TCPSocket():Connect('127.0.0.1', tostring(port)), 1)
  test.ok(listener:accept(10))
end)

test.case('Connect takes the name of this machine', function()
  local listener, port = vendetta.plain_listener()
  test.equal(TCPSocket():Connect('localhost', port), 1)
  test.ok(listener:accept(10))
end)

for about, arguments in pairs {
  ['no arguments'] = {},
  ['no port'] = { '127.0.0.1' },
  ['a port that is no number'] = { '127.0.0.1', 'http' },
  ['port 65536'] = { '127.0.0.1', 65536 },
  ['a negative port'] = { '127.0.0.1', -1 },
  ['half a port'] = { '127.0.0.1', 80.5 },
  ['an empty host'] = { '', 80 },
  ['a table for a host'] = { {}, 80 },
  ['a table for a port'] = { '127.0.0.1', {} },
} do
  test.case('Connect with ' .. about .. ' fails at once with a message', function()
    local tcp = TCPSocket()
    tcp:SetWriteHandler(function() error('called') end)
    local started, message = tcp:Connect(arguments[1], arguments[2])
    test.equal(started, nil)
    test.equal(type(message), 'string')
    test.equal(next(vendetta.logged(test.settle)), nil)
    test.equal(base.kept[tcp], nil)
  end)
end

test.case('the write handler is called when the connection stands, not inside Connect', function()
  local _listener, port = vendetta.plain_listener()
  local tcp, told, inside = TCPSocket(), fiber.channel(10), true
  tcp:SetWriteHandler(function(self)
    tcp:SetWriteHandler(nil)
    told:put({ self == tcp, inside, tcp:GetSocketError(), tcp:GetPeerName() })
  end)
  tcp:Connect('127.0.0.1', port)
  inside = false
  test.equal(told:get(10), { true, false, nil, '127.0.0.1:' .. port })
  return _listener
end)

test.case('a write handler that is set after Connect is called, too', function()
  local _listener, port = vendetta.plain_listener()
  local tcp, told = TCPSocket(), fiber.channel(10)
  tcp:Connect('127.0.0.1', port)
  test.eventually(function() return tcp:GetPeerName() end)
  tcp:SetWriteHandler(function()
    tcp:SetWriteHandler(nil)
    told:put('now')
  end)
  test.equal(told:get(10), 'now')
  return _listener
end)

test.case('a refused connection calls only the write handler, and once', function()
  local tcp, calls, told = TCPSocket(), {}, fiber.channel(10)
  tcp:SetReadHandler(function() calls[#calls + 1] = 'read' end)
  tcp:SetWriteHandler(function()
    calls[#calls + 1] = 'write'
    told:put(tcp:GetSocketError())
  end)
  test.equal(tcp:Connect('127.0.0.1', vendetta.dead_port()), 1)
  test.equal(told:get(10), 'Connection refused')
  test.settle()
  test.equal(calls, { 'write' })
  test.equal(tcp:GetSocketError(), 'Connection refused')
  test.equal(tcp:GetPeerName(), nil)
  test.equal(tcp:Send('x'), -1)
  test.equal(base.kept[tcp], nil)
end)

test.case('a refusal waits for a write handler', function()
  local tcp, told = TCPSocket(), fiber.channel(10)
  tcp:Connect('127.0.0.1', vendetta.dead_port())
  test.eventually(function() return tcp:GetSocketError() end)
  tcp:SetWriteHandler(function() told:put(tcp:GetSocketError()) end)
  test.equal(told:get(10), 'Connection refused')
end)

test.case('a name that cannot be resolved is reported like a refusal', function()
  local tcp, told = TCPSocket(), fiber.channel(10)
  tcp:SetWriteHandler(function() told:put(tcp:GetSocketError()) end)
  test.equal(tcp:Connect('no such name', 80), 1)
  test.equal(type(told:get(15)), 'string')
end)

test.case('Connect forgets the last failure', function()
  local _listener, port = vendetta.plain_listener()
  local tcp = TCPSocket()
  tcp:Connect('127.0.0.1', vendetta.dead_port())
  test.eventually(function() return tcp:GetSocketError() end)
  tcp:Connect('127.0.0.1', port)
  test.equal(tcp:GetSocketError(), nil)
  test.eventually(function() return tcp:GetPeerName() end)
  return _listener
end)

test.case('Connect of a connected socket drops the old connection, and nobody is told', function()
  local listener, port = vendetta.plain_listener()
  local tcp, other = vendetta.pair()
  tcp:SetReadHandler(function() error('called') end)
  local lines = vendetta.logged(function()
    tcp:Connect('127.0.0.1', port)
    test.equal(other:read(1, 10), '')
    test.ok(listener:accept(10))
    test.settle()
  end)
  test.equal(lines, {})
  test.eventually(function() return tcp:GetPeerName() end)
  test.equal(tcp:GetPeerName(), '127.0.0.1:' .. port)
end)

test.case('Connect of a listening socket ends the listening', function()
  local _listener, port = vendetta.plain_listener()
  local tcp, own_port = vendetta.listener()
  tcp:Connect('127.0.0.1', port)
  test.refused('ECONNREFUSED', assert(socket('AF_INET', 'SOCK_STREAM')):sysconnect('127.0.0.1', own_port))
  test.equal(tcp:Accept(), nil)
  return _listener
end)

test.case('Disconnect while it connects: no handler is called', function()
  local listener, port = vendetta.plain_listener()
  local tcp = TCPSocket()
  tcp:SetWriteHandler(function() error('called') end)
  local lines = vendetta.logged(function()
    tcp:Connect('127.0.0.1', port)
    tcp:Disconnect()
    test.settle()
    tcp:Connect('127.0.0.1', port)
    fiber.yield()
    tcp:Disconnect()
    test.settle()
  end)
  test.equal(lines, {})
  test.equal(tcp:GetPeerName(), nil)
  test.equal(base.kept[tcp], nil)
  listener:close()
end)

-- -- Listen, Accept ---------------------------------------------------------------------------------

test.case('Listen returns 1 and nil, on all interfaces', function()
  local tcp = TCPSocket()
  test.equal(table.pack(tcp:Listen(0)), { n = 2, 1, nil })
  test.match(tcp:GetSockName(), '^0%.0%.0%.0:%d+$')
  tcp:Disconnect()
end)

test.case('Listen on a taken port fails with a message', function()
  local first, port = vendetta.listener()
  local started, message = TCPSocket():Listen(port)
  test.equal(started, nil)
  test.match(message, 'Address already in use')
  first:Disconnect()
end)

test.case('Listen takes the port again after Disconnect, also while old connections end', function()
  local tcp, port = vendetta.listener()
  local s = vendetta.plain(port)
  local accepted
  test.eventually(function() accepted = tcp:Accept() return accepted end)
  accepted:Disconnect()
  tcp:Disconnect()
  s:close()
  test.equal(tcp:Listen(tostring(port)), 1)
  tcp:Disconnect()
end)

for _, port in ipairs { 'x', -1, 65536, 1.5, {} } do
  test.case('Listen fails for the port ' .. type(port) .. ' ' .. tostring(port), function()
    local started, message = TCPSocket():Listen(port)
    test.equal(started, nil)
    test.equal(type(message), 'string')
  end)
end

test.case('Accept returns nil when none waits, and never waits itself', function()
  local tcp = vendetta.listener()
  local switches = fiber.self():csw()
  test.equal(tcp:Accept(), nil)
  test.equal(fiber.self():csw(), switches)
  tcp:Disconnect()
  test.equal(tcp:Accept(), nil)
  test.equal(TCPSocket():Accept(), nil)
end)

test.case('the connect handler is called while a connection waits', function()
  local tcp, port = vendetta.listener()
  local accepted, told = {}, fiber.channel(10)
  tcp:SetConnectHandler(function(self)
    accepted[#accepted + 1] = self:Accept() -- one for each call
    told:put(#accepted)
  end)
  local clients = {}
  for i = 1, 3 do clients[i] = vendetta.plain(port) end
  for i = 1, 3 do test.equal(told:get(10), i) end
  for i = 1, 3 do
    test.equal(accepted[i]:GetPeerName(), tostring(clients[i]:name()))
    accepted[i]:Disconnect()
  end
  tcp:Disconnect()
end)

test.case('a connect handler that accepts nothing is called again, and others go on', function()
  local tcp, port = vendetta.listener()
  local calls = 0
  tcp:SetConnectHandler(function() calls = calls + 1 end)
  local _client = vendetta.plain(port)
  test.eventually(function() return calls > 10 end)
  tcp:SetConnectHandler(nil)
  test.settle()
  local before = calls
  test.settle()
  test.equal(calls, before)
  tcp:Disconnect()
  return _client
end)

test.case('an accepted socket has no handlers, and its first write call comes at once', function()
  local tcp, port = vendetta.listener()
  local _client, told = vendetta.plain(port), fiber.channel(10)
  local accepted
  test.eventually(function() accepted = tcp:Accept() return accepted end)
  accepted:SetWriteHandler(function(self)
    self:SetWriteHandler(nil)
    told:put(self == accepted)
  end)
  test.equal(told:get(10), true)
  tcp:Disconnect()
  accepted:Disconnect()
  return _client
end)

test.case('a read handler on a listening socket is not called; a connect handler on a connection is not', function()
  local listening, port = vendetta.listener()
  listening:SetReadHandler(function() error('read') end)
  local tcp, other = vendetta.pair()
  tcp:SetConnectHandler(function() error('connect') end)
  local lines = vendetta.logged(function()
    local _client = vendetta.plain(port)
    other:write('data')
    test.eventually(function() return listening:Accept() end)
    test.settle()
    return _client
  end)
  test.equal(lines, {})
  listening:Disconnect()
end)

-- -- Reading ----------------------------------------------------------------------------------------

test.case('Recv returns everything that has come; then nil, nil', function()
  local tcp, other = vendetta.pair()
  test.equal(table.pack(tcp:Recv()), { n = 2, nil, nil })
  other:write('one')
  other:write('two')
  local data
  test.eventually(function() data = tcp:Recv() return data end)
  test.match(data, '^one')
  tcp:Disconnect()
end)

test.case('Recv returns more than one kernel read at once', function()
  local tcp, other = vendetta.pair()
  other:write(('x'):rep(200000))
  local total, largest = 0, 0
  test.eventually(function()
    local data = tcp:Recv()
    if data then total, largest = total + #data, math.max(largest, #data) end
    return total == 200000
  end)
  test.equal(tcp:Recv(), nil)
  test.ok(largest > 16384)
end)

test.case('Recv at the end of the stream: what came before it, then nil and 0, again and again', function()
  local tcp, other = vendetta.pair()
  local told = fiber.channel(100)
  tcp:SetReadHandler(function()
    told:put(table.pack(tcp:Recv()))
    if told:count() > 3 then tcp:Disconnect() end
  end)
  other:write('last')
  other:close()
  local first = told:get(10)
  test.equal(first[1], 'last')
  test.equal(told:get(10), { n = 2, nil, 0 })
  test.equal(told:get(10), { n = 2, nil, 0 })
end)

test.case('Recv after a reset returns the error number', function()
  local tcp, other = vendetta.pair()
  vendetta.reset(other)
  local data, code
  test.eventually(function() data, code = tcp:Recv() return code end)
  test.equal({ data, code }, { nil, errno.ECONNRESET })
  test.equal(tcp:GetSocketError(), 'Connection reset by peer')
  test.equal(tcp:GetSocketError(), 'Connection reset by peer')
  tcp:Disconnect()
  test.equal(tcp:GetSocketError(), nil)
end)

test.case('GetSocketError does not take the error from Recv', function()
  local tcp, other = vendetta.pair()
  vendetta.reset(other)
  test.eventually(function() return tcp:GetSocketError() end)
  test.equal(table.pack(tcp:Recv()), { n = 2, nil, errno.ECONNRESET })
end)

test.case('Recv of what is not connected returns nil and a number', function()
  test.equal(table.pack(TCPSocket():Recv()), { n = 2, nil, errno.ENOTCONN })
  local listening = vendetta.listener()
  test.equal(table.pack(listening:Recv()), { n = 2, nil, errno.ENOTCONN })
  listening:Disconnect()
  local tcp = vendetta.pair()
  tcp:Disconnect()
  test.equal(table.pack(tcp:Recv()), { n = 2, nil, errno.ENOTCONN })
end)

test.case('the read handler is called while data waits that it does not take', function()
  local tcp, other = vendetta.pair()
  local calls, told = 0, fiber.channel(10)
  tcp:SetReadHandler(function()
    calls = calls + 1
    if calls == 5 then told:put(tcp:Recv()) end
  end)
  other:write('data')
  test.equal(told:get(10), 'data')
  test.settle()
  test.equal(calls, 5)
end)

test.case('data waits while there is no read handler', function()
  local tcp, other = vendetta.pair()
  local told = fiber.channel(10)
  local function handler() told:put(tcp:Recv()) end
  tcp:SetReadHandler(handler)
  tcp:SetReadHandler(nil)
  other:write('data')
  test.equal(told:get(0.02), nil)
  tcp:SetReadHandler(handler)
  test.equal(told:get(10), 'data')
  tcp:SetReadHandler(nil)
  tcp:SetReadHandler(handler)
  other:write('more')
  test.equal(told:get(10), 'more')
end)

test.case('handlers may be replaced from inside themselves', function()
  local tcp, other = vendetta.pair()
  local told = fiber.channel(10)
  tcp:SetReadHandler(function()
    local first = tcp:Recv()
    tcp:SetReadHandler(function() told:put(first .. ' ' .. tcp:Recv()) end)
    told:put('first')
  end)
  other:write('a')
  test.equal(told:get(10), 'first')
  other:write('b')
  test.equal(told:get(10), 'a b')
end)

test.case('the handlers of one socket run one at a time, those of two sockets do not wait for each other', function()
  local slow, slow_other = vendetta.pair()
  local quick, quick_other = vendetta.pair()
  local order, told, go = {}, fiber.channel(10), fiber.cond()
  slow:SetReadHandler(function()
    order[#order + 1] = 'read begins'
    slow:Recv()
    slow:SetWriteHandler(function()
      slow:SetWriteHandler(nil)
      order[#order + 1] = 'write'
      told:put(true)
    end)
    go:wait(10)
    order[#order + 1] = 'read ends'
  end)
  quick:SetReadHandler(function()
    order[#order + 1] = quick:Recv()
    go:signal()
  end)
  slow_other:write('x')
  test.eventually(function() return order[1] end)
  quick_other:write('quick')
  test.ok(told:get(10))
  test.equal(order, { 'read begins', 'quick', 'read ends', 'write' })
end)

test.case('an error in a handler is logged with a traceback, and the connection goes on', function()
  local tcp, other = vendetta.pair()
  local told = fiber.channel(10)
  tcp:SetReadHandler(function()
    told:put(tcp:Recv())
    error('in the handler')
  end)
  local lines = vendetta.logged(function()
    for _, text in ipairs { 'one', 'two' } do
      other:write(text)
      test.equal(told:get(10), text)
    end
    test.settle()
  end)
  test.equal(#lines, 2)
  test.match(lines[1], '^ERROR .*in the handler\nstack traceback:')
end)

test.case('an error that is a table, or nil, is logged, too', function()
  for _, problem in ipairs { setmetatable({}, { __tostring = function() return 'an object' end }), {}, false } do
    local tcp, other = vendetta.pair()
    tcp:SetReadHandler(function()
      tcp:Recv()
      error(problem or nil)
    end)
    local lines = vendetta.logged(function(lines)
      other:write('x')
      test.eventually(function() return lines[1] end)
    end)
    test.match(lines[1], '^ERROR ')
    tcp:Disconnect()
  end
end)

-- -- Writing ----------------------------------------------------------------------------------------

test.case('the write handler is called again and again while there is room', function()
  local tcp, other = vendetta.pair()
  local n = 0
  tcp:SetWriteHandler(function()
    n = n + 1
    tcp:Send(n .. '\n')
    if n == 20 then tcp:SetWriteHandler(nil) end
  end)
  for i = 1, 20 do test.equal(other:readline(nil, '\n', 10), i .. '\n') end
end)

test.case('Send returns how many bytes went, and -1 when there is no room', function()
  local tcp, other = vendetta.pair()
  test.equal(tcp:Send('12345'), 5)
  test.equal(tcp:Send(''), 0)
  test.equal(tcp:Send(12), 2)
  local data, sent, short = ('x'):rep(1 << 20), 7, false
  while true do
    local n = tcp:Send(data)
    if n < 0 then break end
    test.ok(n > 0)
    short = short or n < #data
    sent = sent + n
  end
  test.ok(short)
  test.equal(tcp:Send('more'), -1)
  test.equal(tcp:GetSocketError(), nil)
  local room = fiber.cond()
  tcp:SetWriteHandler(function()
    tcp:SetWriteHandler(nil)
    room:signal()
  end)
  test.equal(room:wait(0.02), false)
  local reader = fiber.spawn(other.read, other, sent, 15)
  test.ok(room:wait(10))
  local _, got = reader:join()
  test.equal(#got, sent)
end)

test.case('Send never raises: it returns -1 for what is no string and without a connection', function()
  local tcp = vendetta.pair()
  for _, value in ipairs { {}, true, print } do test.equal(tcp:Send(value), -1) end
  test.equal(tcp:Send(), -1)
  tcp:Disconnect()
  test.equal(tcp:Send('x'), -1)
  test.equal(TCPSocket():Send('x'), -1)
  local listening = vendetta.listener()
  test.equal(listening:Send('x'), -1)
  listening:Disconnect()
end)

test.case('Send returns -1 once the peer has reset, and GetSocketError says why', function()
  local tcp, other = vendetta.pair()
  vendetta.reset(other)
  test.eventually(function() return tcp:Send('x') == -1 end)
  test.ok(tcp:GetSocketError())
end)

test.case('what is sent before Disconnect arrives', function()
  local tcp, other = vendetta.pair()
  tcp:Send('goodbye')
  tcp:Disconnect()
  test.equal(other:read(), 'goodbye')
end)

-- -- Names and the end ------------------------------------------------------------------------------

test.case('GetPeerName is an address and a port, or nil', function()
  local tcp, other = vendetta.pair()
  test.equal(tcp:GetPeerName(), tostring(other:name()))
  tcp:Disconnect()
  test.equal(tcp:GetPeerName(), nil)
  test.equal(TCPSocket():GetPeerName(), nil)
  local listening = vendetta.listener()
  test.equal(listening:GetPeerName(), nil)
  listening:Disconnect()
end)

test.case('Disconnect may be repeated, and no handler is called afterwards', function()
  local tcp, other = vendetta.pair()
  local calls = 0
  tcp:SetReadHandler(function() calls = calls + 1 end)
  tcp:SetWriteHandler(function() calls = calls + 1 end)
  other:write('data')
  tcp:Disconnect()
  tcp:Disconnect()
  test.settle()
  test.equal(calls, 0)
  TCPSocket():Disconnect()
end)

test.case('Disconnect inside a handler', function()
  local tcp, other = vendetta.pair()
  local calls = 0
  tcp:SetReadHandler(function()
    calls = calls + 1
    tcp:Disconnect()
  end)
  tcp:SetWriteHandler(nil)
  other:write('data')
  test.equal(other:read(1, 10) or '', '')
  test.settle()
  test.equal(calls, 1)
end)

test.case('Disconnect by another fiber while a handler waits for its turn', function()
  local tcp, other = vendetta.pair()
  local calls, go = {}, fiber.cond()
  tcp:SetWriteHandler(function()
    tcp:SetWriteHandler(nil)
    calls[#calls + 1] = 'write'
    go:wait(10)
  end)
  tcp:SetReadHandler(function() calls[#calls + 1] = 'read' end)
  other:write('data')
  test.eventually(function() return calls[1] end)
  if calls[1] == 'write' then
    test.settle()
    tcp:Disconnect()
    go:signal()
    test.settle()
    test.equal(calls, { 'write' })
  end
end)

test.case('the object may connect again, and its handlers stay', function()
  local listener, port = vendetta.plain_listener()
  local tcp, told = TCPSocket(), fiber.channel(10)
  tcp:SetReadHandler(function() told:put(tcp:Recv() or 'end') end)
  for round = 1, 3 do
    tcp:Connect('127.0.0.1', port)
    local other = listener:accept(10)
    other:write('round ' .. round)
    test.equal(told:get(10), 'round ' .. round)
    tcp:Disconnect()
  end
end)

test.case('a connection is alive without a reference to it', function()
  local listener, port = vendetta.plain_listener()
  local told = fiber.channel(10)
  do
    local tcp = TCPSocket()
    tcp:SetReadHandler(function(self) told:put(self:Recv()) end)
    tcp:Connect('127.0.0.1', port)
  end
  local other = listener:accept(10)
  collectgarbage()
  collectgarbage()
  other:write('still here')
  test.equal(told:get(10), 'still here')
end)

test.case('an object without a connection may be collected', function()
  local weak = setmetatable({}, { __mode = 'k' })
  do
    local tcp, other = vendetta.pair()
    weak[tcp] = true
    tcp:SetReadHandler(function() tcp:Recv() end)
    tcp:Disconnect()
    other:close()
  end
  test.settle()
  collectgarbage()
  collectgarbage()
  test.equal(next(weak), nil)
end)

test.case('objects take fields of the script', function()
  local tcp = TCPSocket()
  tcp.number = 7
  test.equal(tcp.number, 7)
end)

test.case('tostring says what it is connected to', function()
  test.equal(tostring(TCPSocket()), 'TCPSocket (not connected)')
  local tcp = vendetta.pair()
  test.match(tostring(tcp), '^TCPSocket %(fd %d+, aka 127%.0%.0%.1:%d+, peer 127%.0%.0%.1:%d+%)$')
end)

test.case('running out of descriptors pauses accepting, says so once, and goes on later', function()
  local result = child.shell([[ulimit -n 40; exec "$0" -l coir.compat.vendetta ]] .. here .. 'vendetta_exhausted.lua')
  test.equal(result.out, 'all accepted\n')
  local _, count = result.err:gsub('WARN TCPSocket:Accept: [^\n]*Too many open files', '')
  test.equal(count, 1)
end)

test.finish()
