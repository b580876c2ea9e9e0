-- netnet_tinn_test.lua: what NetNet became: NativeSocket, NetStream, SocketServer, CoSocketIo,
-- Application.
package.path = (arg[0]:match('^.*/') or './') .. '../lua/?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local errno = require 'errno'
local fiber = require 'fiber'
local netnet = require 'coir.compat.netnet'
local tinn = require 'coir.compat.netnet.tinn'
local ffi, NativeSocket, NetStream, CoSocketIo = netnet.ffi, tinn.NativeSocket, tinn.NetStream, tinn.CoSocketIo

local function listener(options)
  options = options or {}
  options.port = 0
  local s = assert(NativeSocket:createServer(options))
  return s, s:getLocalPort()
end

--- Two connected NativeSockets.
local function pair()
  local l, port = listener()
  local c = assert(NativeSocket:createClient('127.0.0.1', port))
  local s = assert(NativeSocket:init(l:accept(), true))
  l:forceClose()
  return c, s
end

local function streams()
  local c, s = pair()
  return NetStream(c), NetStream:init(s)
end

-- -- NativeSocket -------------------------------------------------------------------------------------

test.case('accept gives a descriptor, Accept a socket', function()
  local l, port = listener()
  local c = NativeSocket:createClient('127.0.0.1', port)
  local fd = l:accept()
  test.equal(math.type(fd), 'integer')
  local s = NativeSocket:init(fd, true)
  test.equal(s:getNativeSocket(), fd)
  test.equal(c:send('hello'), 5)
  local buff = ffi.new('uint8_t[?]', 100)
  test.equal(s:receive(buff, 100), 5)
  test.equal(ffi.string(buff, 5), 'hello')
  local c2 = NativeSocket:createClient('127.0.0.1', port)
  test.equal(type(l:Accept()), 'table')
  return c2
end)

test.case('methods have both names, and give true or false, code', function()
  local s = NativeSocket:create()
  for _, name in ipairs { 'SetNoDelay', 'setNoDelay', 'SetReuseAddress', 'setReuseAddress', 'SetKeepAlive',
                          'setKeepAlive', 'SetExclusiveAddress', 'setExclusiveAddress', 'SetNonBlocking' } do
    test.equal({ name, s[name](s, true) }, { name, true })
  end
  test.equal({ s:Shutdown() }, { false, errno.ENOTCONN })
  test.equal({ s:ForceClose() }, { true })
  test.equal({ s:ForceClose() }, { false, errno.EBADF })
  for _, name in ipairs { 'ShutdownSend', 'ShutdownReceive', 'closeDown', 'Accept', 'accept', 'makePassive',
                          'SetNoDelay', 'GetBytesPendingReceive', 'CanReadWithoutBlocking', 'getLocalPort' } do
    test.equal({ name, s[name](s, 1) }, { name, false, errno.EBADF })
  end
  test.equal(s:GetLastError(), errno.EBADF)
  test.equal({ s:IsConnected(), s:GetConnectionTime() }, { false, -1 })
end)

test.case('keep-alive takes milliseconds', function()
  local s = NativeSocket:create()
  test.ok(s:SetKeepAlive(true, 90000, 2500))
  test.equal(s.native:getsockopt('tcp', 'TCP_KEEPIDLE'), 90)
  test.equal(s.native:getsockopt('tcp', 'TCP_KEEPINTVL'), 3)
  test.ok(s:SetKeepAlive(true))
  test.equal(s.native:getsockopt('tcp', 'TCP_KEEPIDLE'), 120)
  test.equal(s.native:getsockopt('SOL_SOCKET', 'SO_KEEPALIVE'), 1)
  test.ok(s:SetKeepAlive(false))
  test.equal(s.native:getsockopt('SOL_SOCKET', 'SO_KEEPALIVE'), 0)
end)

test.case('the first generation: Bind, MakePassive, ConnectTo', function()
  local l = NativeSocket()
  test.equal({ l:Bind(netnet.CreateSocketAddress('127.0.0.1', 0)) }, { true })
  test.equal({ l:MakePassive(5) }, { true })
  local c = NativeSocket(netnet.AF_INET, netnet.SOCK_STREAM)
  test.equal({ c:ConnectTo(netnet.CreateSocketAddress('127.0.0.1', l:GetLocalPort())) }, { true })
  test.equal({ c:IsConnected(), c:GetConnectionTime(), c:GetLastError() }, { true, 0, 0 })
  test.equal({ c:CanReadWithoutBlocking() }, { false, 'wouldblock' })
  test.equal({ c:CanWriteWithoutBlocking() }, { true })
  local s = l:Accept()
  s:Send('abc', 2)
  test.eventually(function() return c:CanReadWithoutBlocking() end)
  test.equal(c:GetBytesPendingReceive(), 2)
  test.equal({ s:ShutdownSend() }, { true })
  local buff = ffi.new('uint8_t[8]')
  test.equal(c:Receive(buff), 2)
  test.equal(c:Receive(buff), 0)
  test.equal({ c:ConnectTo(netnet.CreateSocketAddress('127.0.0.1', 1)) }, { false, errno.EISCONN })
end)

test.case('failures of making one', function()
  test.equal({ NativeSocket:create(4711) }, { nil, errno.EAFNOSUPPORT })
  test.equal({ NativeSocket:init(-1) }, { nil, errno.EBADF })
  test.equal({ NativeSocket:createClient('127.0.0.1', 1) }, { nil, errno.ECONNREFUSED })
  local _, port = listener()
  test.equal({ NativeSocket:createServer { port = port } }, { nil, errno.EADDRINUSE })
  return _
end)

test.case('datagrams', function()
  local a = NativeSocket:create(netnet.AF_INET, netnet.SOCK_DGRAM)
  local b = NativeSocket:create(netnet.AF_INET, netnet.SOCK_DGRAM)
  test.ok(a:bind(netnet.CreateSocketAddress('127.0.0.1', 0)))
  local to = netnet.CreateSocketAddress('127.0.0.1', a:getLocalPort())
  test.equal(b:sendTo(to, to:Size(), 'packet', 6), 6)
  local from, buff = netnet.CreateIPV4WildcardAddress(netnet.AF_INET, 0), ffi.new('uint8_t[100]')
  test.equal(a:receiveFrom(from, from:Size(), buff, 100), 6)
  test.equal({ ffi.string(buff, 6), from:GetAddressString(), from:GetPort() },
    { 'packet', '127.0.0.1', b:getLocalPort() })
  test.equal(b:sendTo(nil, 0, 'x'), false)
end)

-- -- NetStream ----------------------------------------------------------------------------------------

test.case('bytes, strings and lines', function()
  local a, b = streams()
  test.equal(a:writeByte(65), 1)
  test.equal(a:writeString('BCDE', 2, 1), 2)
  test.equal(a:writeBytes(ffi.new('uint8_t[3]', 0x5a), 2), 2)
  test.equal(a:writeLine('line one'), 10)
  test.equal(a:writeLine(), 2)
  a:writeString('li\rne two\nlast')
  a:closeDown()
  test.equal(b:readByte(), 65)
  test.equal(b:readString(2), 'CD')
  local buff = ffi.new('uint8_t[4]')
  test.equal(b:readBytes(buff, 2, 1), 2)
  test.equal(ffi.string(buff, 4), '\0ZZ\0')
  test.equal({ b:readLine(), b:readLine(), b:readLine(), b:readLine() }, { 'line one', '', 'line two', 'last' })
  test.equal({ b:readLine(), b:readLine() }, { '', '' })
  test.equal({ b:readByte() }, { false, 'eof' })
  test.equal({ b:readString(5) }, { false, 'eof' })
  test.equal({ b:readBytes(buff, 4) }, { false, 'eof' })
  test.raises('shorter', b.readBytes, b, buff, 4, 1)
end)

test.case('a line longer than its size comes in pieces; what ends early is short', function()
  local a, b = streams()
  a:writeString(('x'):rep(2500) .. '\nrest')
  a:closeDown()
  test.equal({ #b:readLine(), #b:readLine(2000), b:readString(100) }, { 1024, 1476, 'rest' })
end)

test.case('idleness', function()
  local a = streams()
  test.equal(a:isIdle(), false)
  a:setIdleInterval(0.01)
  fiber.sleep(0.02)
  test.equal(a:isIdle(), true)
  a:writeByte(1)
  test.equal(a:isIdle(), false) -- only one interval has passed
  a:setWriteTimeout(nil)
  test.equal(a:isIdle(), true)
  a:resetTimeout()
  test.equal(a:isIdle(), false)
end)

test.case('connect, and a peer that is gone', function()
  local l, port = listener()
  local a = NetStream:connect('127.0.0.1', port)
  test.ok(a:isConnected())
  local s = NativeSocket:init(l:accept())
  s.native:linger(true, 0)
  s:forceClose()
  test.equal({ a:readLine() }, { false, errno.ECONNRESET })
  test.equal({ NetStream:connect('127.0.0.1', 1) }, { nil, errno.ECONNREFUSED })
  test.equal(NetStream:init(nil), nil)
  test.equal({ a:writeString('x') }, { 0, errno.EPIPE })
end)

-- -- CoSocketIo ---------------------------------------------------------------------------------------

test.case('whole transfers on non-blocking sockets', function()
  local a, b = pair()
  a:setNonBlocking(true)
  b:setNonBlocking(true)
  local data = ('0123456789'):rep(100000)
  local writer = fiber.spawn(CoSocketIo.WriteN, a, data, #data)
  local buff = ffi.new('uint8_t[?]', #data)
  test.equal(CoSocketIo.ReadN(b, buff, #data), #data)
  test.ok(ffi.string(buff, #data) == data)
  test.equal({ writer:join() }, { true, #data })
  fiber.new(function()
    CoSocketIo.WriteN(a, 'a line\r\nshort', 13)
    a:closeDown()
  end)
  test.equal(CoSocketIo.ReadLine(b, buff, 100), 6)
  test.equal(ffi.string(buff, 6), 'a line')
  test.equal(CoSocketIo.ReadN(b, buff, 100), 5)
  test.equal({ CoSocketIo.ReadN(b, buff, 100) }, { nil, 'eof' })
  test.equal({ CoSocketIo.ReadLine(b, buff, 100) }, { 0 })
  test.equal({ CoSocketIo.WriteN(a, 'x', 1) }, { nil, errno.EBADF })
  test.equal({ CoSocketIo.ReadLine(a, buff, 1) }, { nil, errno.EBADF })
end)

test.case('Accept waits on a non-blocking listener', function()
  local l, port = listener { nonblocking = true }
  local acceptor = fiber.spawn(CoSocketIo.Accept, l)
  fiber.yield()
  local c = NativeSocket:createClient('127.0.0.1', port)
  local ok, s = acceptor:join()
  test.equal({ ok, type(s) }, { true, 'table' })
  return c
end)

-- -- Application --------------------------------------------------------------------------------------

test.case('run returns when no task is left', function()
  local app, order = tinn.Application:create(), {}
  app:run(function(name)
    order[#order + 1] = name
    app:coop(function()
      app:sleep(5)
      order[#order + 1] = 'child'
    end)
    app:delay(function() order[#order + 1] = 'delayed' end, 20)
    order[#order + 1] = 'main ends'
  end, 'main')
  test.equal(order, { 'main', 'main ends', 'child', 'delayed' })
end)

test.case('periodic goes on until stop', function()
  local app, ticks = tinn.Application:create(), 0
  local task = app:periodic(function()
    ticks = ticks + 1
    if ticks == 3 then app:stop() end
  end, 1)
  app:run()
  test.equal(ticks, 3)
  test.eventually(app.taskIsFinished(task))
  test.equal(ticks, 3)
end)

test.case('conditions and signals', function()
  local app, seen, flag, times = tinn.Application:create(), {}, false, 0
  app:when(function() return flag end, function() seen.when = true end)
  app:whenever(function() return times < 2 end, function()
    times = times + 1
    if times == 2 then
      flag = true
      app:stop()
    end
  end)
  app:run()
  app = tinn.Application:create()
  app:onSignal(function() seen.onSignal = true end, 'go')
  local woken = 0
  for _ = 1, 3 do
    app:coop(function()
      app:waitForSignal('one')
      woken = woken + 1
    end)
  end
  app:coop(function()
    app:signalAll('go')
    app:signalOne('one')
    app:sleep(1)
    seen.after_one = woken
    app:signalAll('one')
  end)
  app:run()
  test.equal({ times, woken, seen.after_one, seen.onSignal }, { 2, 3, 1, true })
end)

test.case('an error in a task is logged and ends that task only', function()
  local base = require 'coir.compat.base'
  local lines, sink, ended = {}, base.log.sink, false
  base.log.sink = function(_, name, text) lines[#lines + 1] = name .. ' ' .. text end
  local app = tinn.Application:create()
  app:coop(error, 'broken task')
  app:run(function()
    app:yield()
    ended = true
  end)
  base.log.sink = sink
  test.equal({ #lines, ended }, { 1, true })
  test.match(lines[1], '^ERROR .*broken task')
end)

test.case("TINN's echo and line servers run as they stand but for their ports and ends", function()
  local result = child.run([=[
    local ffi = require("ffi");
    local SocketServer = require("SocketServer");
    local NativeSocket = require("NativeSocket");
    local NetStream = require("NetStream")

    local OnAccept = function(sock)
      local socket = NativeSocket:init(sock, true);

      -- read from the socket
      local bufflen = 1500;
      local buff = ffi.new("uint8_t[?]", bufflen);
      local bytesread, err = socket:receive(buff, bufflen);

      -- return what's been read back to the socket
      if bytesread then
        socket:send(buff, bytesread); -- the original sends the whole buffer
      else
        print("ERROR Reading Bytes: ", err);
      end
    end

    local function handleNewConnection(sock)
      local socket, err = NativeSocket:init(sock, true);
      local netstream, err = NetStream:init(socket);
      local line, err = netstream:readLine();
      if not line then return false, err end
      local content = [[
HTTP/1.1 200 OK
Connection: close

<html>]]..line..[[</html>]]
      socket:send(content, #content);
      socket:closeDown();
    end

    local echo, lines = SocketServer(0, OnAccept), SocketServer(0, handleNewConnection)
    spawn(lines.loop, lines)
    spawn(function()
      local c = NetStream:connect("localhost", echo.ServerSocket:getLocalPort())
      c:writeString("echo")
      print(c:readString(4))
      local netstream = NetStream:connect("localhost", lines.ServerSocket:getLocalPort())
      netstream:writeLine("GET / HTTP/1.1")
      netstream:writeLine()
      print("Line: ", netstream:readLine());
      print(netstream:readLine(), netstream:readLine(), netstream:readLine())
      netstream:closeDown();
      sleep(1)
      stop()
    end)
    echo:run();
    print 'end'
    os.exit(0)
  ]=], '-l', 'coir.compat.netnet.tinn')
  test.equal(result.err, '')
  test.equal(result.out, 'echo\nLine: \tHTTP/1.1 200 OK\nConnection: close\t\t<html>GET / HTTP/1.1</html>\nend\n')
end)

test.case('a server without a handler closes what it accepts, and ends with its listener', function()
  local server = tinn.SocketServer(0)
  local loop = fiber.spawn(server.loop, server)
  local c = NetStream:connect('127.0.0.1', server.ServerSocket:getLocalPort())
  test.equal({ c:readByte() }, { false, 'eof' })
  server.ServerSocket:forceClose()
  test.equal({ loop:join(5) }, { true })
  local _, port = listener()
  test.equal({ tinn.SocketServer(port) }, { nil, errno.EADDRINUSE })
  return _
end)

test.finish()
