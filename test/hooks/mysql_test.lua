-- mysql_test.lua: lua-sql-mysql, whose client library blocks, with a MariaDB server.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local others = require 'others'
local test = require 'test'
local peer = others.peer

peer.need('mariadbd', 'mariadb-install-db')
local luasql = require 'luasql.mysql'

local folder, port = peer.folder(), peer.free_port()
local user = others.as_user('mysql')
if user ~= '' then others.shell('chown mysql ' .. folder) end
others.shell(('cd %s && %smariadb-install-db --no-defaults --datadir=%s/data --skip-test-db'
  .. ' --auth-root-authentication-method=normal'):format(folder, user, folder))
local server = peer.start(
  ('%smariadbd --no-defaults --datadir=%s/data --socket=%s/socket --pid-file=%s/pid'
    .. ' --bind-address=127.0.0.1 --port=%d'):format(user, folder, folder, folder, port),
  folder .. '/log')
local env = luasql.mysql()

local function connect() return env:connect('mysql', 'root', '', '127.0.0.1', port) end

peer.finally(function()
  others.shell(('kill $(cat %s/pid)'):format(folder))
  server:wait()
  peer.remove_folder(folder)
end, function()
  local list = {}
  test.eventually(function()
    list[1] = connect()
    return list[1]
  end)
  for i = 2, 20 do list[i] = assert(connect()) end

  others.case('MariaDB: 20 queries of 0.25 s, side by side', 0.6, function()
    peer.all(20, function(i)
      local cursor = assert(list[i]:execute('select sleep(0.25)'))
      test.equal(cursor:fetch(), '0')
      cursor:close()
    end)
  end)

  others.case('MariaDB: connecting, side by side', 2, function()
    peer.all(8, function() assert(connect()):close() end)
  end)
end)
test.finish()
