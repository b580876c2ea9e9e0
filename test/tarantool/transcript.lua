-- transcript.lua: prints what the scripts of this folder see, one line `label: value` a check.
--
-- The same script prints the same transcript under Tarantool (Lua 5.1) and under coir (Lua 5.4), so
-- values are written in a canonical way: whole numbers without a fraction, strings quoted, anything
-- with an identity (sockets, fibers, tables) as `an object`. Labels are unique within a script and
-- hold no `: `, for `compare` pairs the lines of the two transcripts by them.

local errno = require 'errno'

local transcript = {}

io.stdout:setvbuf('line') -- a script that hangs has still said everything before

--- The names of all the errno constants of Tarantool 2.6.
transcript.errno_names = {
  'E2BIG', 'EACCES', 'EADDRINUSE', 'EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EAGAIN', 'EALREADY',
  'EBADF', 'EBADMSG', 'EBUSY', 'ECANCELED', 'ECHILD', 'ECONNABORTED', 'ECONNREFUSED',
  'ECONNRESET', 'EDEADLK', 'EDESTADDRREQ', 'EDOM', 'EDQUOT', 'EEXIST', 'EFAULT', 'EFBIG',
  'EHOSTUNREACH', 'EIDRM', 'EILSEQ', 'EINPROGRESS', 'EINTR', 'EINVAL', 'EIO', 'EISCONN',
  'EISDIR', 'ELOOP', 'EMFILE', 'EMLINK', 'EMSGSIZE', 'EMULTIHOP', 'ENAMETOOLONG', 'ENETDOWN',
  'ENETRESET', 'ENETUNREACH', 'ENFILE', 'ENOBUFS', 'ENODATA', 'ENODEV', 'ENOENT', 'ENOEXEC',
  'ENOLCK', 'ENOLINK', 'ENOMEM', 'ENOMSG', 'ENOPROTOOPT', 'ENOSPC', 'ENOSR', 'ENOSTR', 'ENOSYS',
  'ENOTCONN', 'ENOTDIR', 'ENOTEMPTY', 'ENOTSOCK', 'ENOTSUP', 'ENOTTY', 'ENXIO', 'EOPNOTSUPP',
  'EOVERFLOW', 'EPERM', 'EPIPE', 'EPROTO', 'EPROTONOSUPPORT', 'EPROTOTYPE', 'ERANGE', 'EROFS',
  'ESPIPE', 'ESRCH', 'ESTALE', 'ETIME', 'ETIMEDOUT', 'ETXTBSY', 'EWOULDBLOCK', 'EXDEV',
}

local name_of = {} -- EAGAIN, not EWOULDBLOCK; EOPNOTSUPP, not ENOTSUP
for _, name in ipairs(transcript.errno_names) do
  local code = errno[name]
  if code and not name_of[code] and name ~= 'ENOTSUP' then name_of[code] = name end
end

--- Names an errno number: `EAGAIN`; 0 is `no error`, a number without a name stays a number.
function transcript.errno(code)
  if code == 0 then return 'no error' end
  return name_of[code] or tostring(code)
end

local escapes = { ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t', ['"'] = '\\"', ['\\'] = '\\\\' }

local function show(value)
  local kind = type(value)
  if kind == 'number' then
    return string.format(value == math.floor(value) and '%d' or '%.14g', value)
  elseif kind == 'string' then
    if #value > 120 then return 'a string of ' .. #value .. ' bytes' end
    return '"' .. value:gsub('[%c"\\\128-\255]', function(byte)
      return escapes[byte] or string.format('\\%03d', byte:byte())
    end) .. '"'
  elseif kind == 'nil' or kind == 'boolean' then
    return tostring(value)
  end
  return 'an object'
end

local function show_all(...)
  local shown = {}
  for i = 1, select('#', ...) do shown[i] = show((select(i, ...))) end
  return #shown > 0 and table.concat(shown, ', ') or 'nothing'
end

local seen = {}

local function say(label, text)
  if seen[label] then error('the label "' .. label .. '" is used twice', 3) end
  seen[label] = true
  io.write(label, ': ', text, '\n')
end

-- Where an error was raised is no part of its message.
local function message_of(err)
  return (tostring(err):gsub('^.-%.lua:%d+: ', ''))
end

--- Prints the values.
function transcript.check(label, ...)
  say(label, show_all(...))
end

--- Prints the result of a call that failed, with the error that `socket` remembers.
function transcript.failed(label, socket, result)
  say(label, show(result) .. ' ' .. transcript.errno(socket:errno()))
end

local function attempt(label, with_message, f, ...)
  local outcome = { pcall(f, ...) }
  if outcome[1] then
    say(label, 'did not raise')
  else
    say(label, with_message and 'raised ' .. show(message_of(outcome[2])) or 'raised')
  end
end

--- Calls a function that must raise and prints the message. For texts that scripts may rely on.
function transcript.raises(label, f, ...)
  attempt(label, true, f, ...)
end

--- Calls a function that must raise and prints only that it did. For misuse, whose wording is free.
function transcript.refuses(label, f, ...)
  attempt(label, false, f, ...)
end

--- Like pcall, but the second result of a failed call is its message without the position.
function transcript.try(f, ...)
  local ok, result = pcall(f, ...)
  if ok then return true, result end
  return false, message_of(result)
end

--- Runs a group of checks. When it raises, the transcript says so and goes on with the next group.
function transcript.case(title, f)
  local ok, err = pcall(f)
  if not ok then say('the group "' .. title .. '"', 'raised ' .. show(message_of(err))) end
end

return transcript
