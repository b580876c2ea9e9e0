-- clients_test.lua FOLDER: hiredis and libcurl, through the shims in FOLDER.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
package.cpath = arg[1] .. '/?.so;' .. package.cpath
local others = require 'others'
local fiber = require 'fiber'
local test = require 'test'
local peer = others.peer

-- -- hiredis --------------------------------------------------------------------------------------

peer.need('redis-server')
local hiredis = require 'hiredis_shim'
local folder, port = peer.folder(), peer.free_port()
local server = peer.start(
  ("redis-server --port %d --bind 127.0.0.1 --save '' --appendonly no --dir %s"):format(port,
    folder),
  folder .. '/log')

peer.finally(function()
  server:stop()
  peer.remove_folder(folder)
end, function()
  peer.await(port)

  others.case('hiredis: 50 fibers wait in BLPOP until another pushes', 2, function()
    local ready = fiber.wait_group()
    ready:add(50)
    local releaser = fiber.spawn(function()
      ready:wait()
      local c = hiredis.connect('127.0.0.1', port)
      test.eventually(function()
        return hiredis.call(c, 'INFO', 'clients'):find('blocked_clients:50', 1, true) ~= nil
      end)
      for i = 1, 50 do hiredis.call(c, 'LPUSH', 'list' .. i, 'value' .. i) end
      hiredis.close(c)
    end)
    peer.all(50, function(i)
      local c = hiredis.connect('127.0.0.1', port)
      ready:done()
      test.equal(hiredis.call(c, 'BLPOP', 'list' .. i, '0'), { 'list' .. i, 'value' .. i })
      hiredis.close(c)
    end)
    assert(releaser:join(10))
  end)

  test.case('hiredis: a megabyte there and back, in 10 fibers', function()
    peer.all(10, function(i)
      local c = hiredis.connect('127.0.0.1', port)
      local text = tostring(i):rep(1000000)
      test.equal(hiredis.call(c, 'SET', 'key' .. i, text), 'OK')
      test.ok(hiredis.call(c, 'GET', 'key' .. i) == text)
      hiredis.close(c)
    end)
  end)

  test.case('hiredis: cancellation ends BLPOP', function()
    local c = hiredis.connect('127.0.0.1', port)
    local one = fiber.spawn(hiredis.call, c, 'BLPOP', 'nothing', '0')
    test.eventually(function() return one:info().waiting ~= nil end)
    one:cancel()
    local ok, problem = one:join(10)
    test.ok(not ok)
    print('what hiredis says of a cancelled call: ' .. tostring(problem))
    hiredis.close(c)
  end)

  test.case('hiredis: nobody listens', function()
    test.raises('refused', hiredis.connect, '127.0.0.1', peer.free_port())
  end)
end)

-- -- libcurl --------------------------------------------------------------------------------------

local curl = require 'curl_shim'
local listener, http_port = peer.listener()

local function answer(client)
  assert(client:read('\r\n\r\n'))
  fiber.sleep(0.1)
  client:write('HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n')
  client:write(('x'):rep(200000))
  client:close()
end

local acceptor = fiber.create(function()
  while true do fiber.create(answer, assert(listener:accept())) end
end)

others.case('libcurl: 10 downloads from a server that takes 0.1 s', 1, function()
  peer.all(10, function()
    local status, body = curl.get(('http://127.0.0.1:%d/'):format(http_port))
    test.equal({ status, body and #body }, { 200, 200000 })
  end)
end)

test.case('libcurl: a name that its own thread looks up', function()
  local status = test.ok(curl.get(('http://localhost:%d/'):format(http_port)))
  test.equal(status, 200)
end)

test.case('libcurl: nobody listens', function()
  local status, problem = curl.get(('http://127.0.0.1:%d/'):format(peer.free_port()))
  test.equal(status, nil)
  test.match(problem, 'connect')
end)

acceptor:cancel()
test.finish()
