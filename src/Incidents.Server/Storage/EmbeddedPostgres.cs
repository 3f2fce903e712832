using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using CliWrap.Buffered;
using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>
/// A private PostgreSQL that the server makes, starts, adopts and stops. It listens on a socket in a folder that only its account
/// (and root) can enter, and on no network address. Several servers may share one data directory: the first starts it, the last
/// that stops takes it down. It lives in a session of its own, so that neither Ctrl-C nor the end of a server ends it half-way;
/// a guard process takes it down when every server that used it was killed.
/// </summary>
internal sealed partial class EmbeddedPostgres(EmbeddedPostgresOptions options, TimeProvider clock, ILogger<EmbeddedPostgres> log) : IAsyncDisposable
{
    /// <summary>
    /// Waits until no server holds users.lock, gives a restarted one time to come, then stops PostgreSQL. Arguments: folder, pg_ctl, seconds.
    /// 75 is the answer for "a server has come": wait on. A clean stop removes postmaster.pid, and then there is nothing to guard.
    /// </summary>
    private const string Guard =
        """
        cd "$1" || exit 1
        exec setsid -f flock -w 5 guard.lock sh -c '
        while :; do
          flock -x users.lock true
          left="$2"
          while [ -e data/postmaster.pid ] && [ "$left" -gt 0 ]; do sleep 1; left=$((left - 1)); done
          [ -e data/postmaster.pid ] || exit 0
          code=0; flock -n -E 75 users.lock "$1" stop -s -D data -m fast -t 600 || code=$?
          [ "$code" -eq 75 ] || exit 0
        done' guard "$2" "$3" </dev/null >/dev/null 2>&1
        """;

    private const string User = "incidents";

    private const int MostStartFailures = 4;

    private static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LockPatience = TimeSpan.FromMinutes(2);

    private readonly EmbeddedPostgresLayout _layout = EmbeddedPostgresLayout.For(options.DataDirectory, Environment.IsPrivilegedProcess);
    private EmbeddedPostgresAccount? _account;
    private EmbeddedPostgresBinaries? _binaries;
    private FileStream? _use;

    /// <summary>Where its files are.</summary>
    public EmbeddedPostgresLayout Layout => _layout;

    /// <summary>Valid before the start; connections succeed after it.</summary>
    public string ConnectionString => ConnectionTo(options.Database, pooled: true);

    /// <summary>The process id in <c>postmaster.pid</c>, or null when there is none.</summary>
    public int? PostmasterPid => ReadPidFile(_layout.PidFile) is [var pid, ..] && int.TryParse(pid, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;

    /// <summary>Makes the cluster if there is none, starts it or adopts the running one, and creates the database. Returns when connections succeed.</summary>
    /// <exception cref="EmbeddedPostgresException">It cannot run here; the message says what to do.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows()) throw new EmbeddedPostgresException("The embedded PostgreSQL runs on Linux and macOS. Set ConnectionStrings__Incidents to a PostgreSQL database.");

        if (_layout.UnreachableParent is { } closed) LogMoved(closed, _layout.Root);
        _account = await EmbeddedPostgresAccount.ForAsync(_layout.Data, cancellationToken);
        await MakeFoldersAsync(_account, cancellationToken);
        _binaries = await EmbeddedPostgresBinaries.FindAsync(options.BinDirectory, StoredMajor(), cancellationToken);

        await using (await LockAsync(_layout.ChangeLock, FileShare.None, cancellationToken))
        {
            _use ??= await LockAsync(_layout.UsersLock, FileShare.Read, cancellationToken);
            await BringUpAsync(_account, _binaries, cancellationToken);
        }

        await CreateDatabaseAsync(cancellationToken);
        await StartGuardAsync(_account, _binaries, cancellationToken);
    }

    /// <summary>Whether its main process is alive. Cheap; says nothing of whether it accepts connections yet.</summary>
    public bool IsRunning()
    {
        var lines = ReadPidFile(_layout.PidFile);
        return lines is not [] && (IsProcess(lines) || IsListening());
    }

    /// <summary>Starts it again when it is not running. True when it had to be started.</summary>
    public async Task<bool> EnsureRunningAsync(CancellationToken cancellationToken)
    {
        if (_account is null || _binaries is null) throw new InvalidOperationException("StartAsync comes first.");
        if (IsRunning()) return false;

        await using (await LockAsync(_layout.ChangeLock, FileShare.None, cancellationToken)) await BringUpAsync(_account, _binaries, cancellationToken);
        return true;
    }

    /// <summary>Gives up this server's use. The last user stops PostgreSQL (fast shutdown: open transactions roll back). Calling again does nothing.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_use is null || _account is null || _binaries is null) return;

        await using var change = await LockAsync(_layout.ChangeLock, FileShare.None, cancellationToken);
        await _use.DisposeAsync();
        _use = null;

        // The guard holds this lock for a blink when the last user lets go; a few tries tell it from another server.
        FileStream? alone = null;
        for (var attempt = 0; attempt < 6 && (alone = TryLock(_layout.UsersLock, FileShare.None)) is null; attempt++) await Task.Delay(LockPoll, clock, cancellationToken);
        if (alone is null)
        {
            LogLeftRunning(_layout.Root);
            return;
        }

        await using (alone)
        {
            if (!IsRunning()) return;
            var answer = await _account.Command(_binaries["pg_ctl"], ["stop", "-s", "-w", "-D", "data", "-m", "fast", "-t", "600"], _layout.Root).ExecuteBufferedAsync(cancellationToken);
            if (!answer.IsSuccess && IsRunning()) throw new EmbeddedPostgresException($"PostgreSQL in {_layout.Root} did not stop: {answer.StandardError.Trim()}");
            LogStopped(_layout.Root);
        }
    }

    /// <summary>Gives up this server's use and leaves PostgreSQL running, as the kernel does when the server is killed.</summary>
    public void Abandon()
    {
        _use?.Dispose();
        _use = null;
    }

    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None);

    private async Task BringUpAsync(EmbeddedPostgresAccount account, EmbeddedPostgresBinaries binaries, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(_layout.Data)) await InitialiseAsync(account, binaries, cancellationToken);

        var lines = ReadPidFile(_layout.PidFile);
        if (lines is not [])
        {
            if (IsListening())
            {
                LogAdopted(PostmasterPid, _layout.Root);
                await WaitUntilReadyAsync(cancellationToken);
                return;
            }

            if (!IsProcess(lines))
            {
                // Its number may belong to a stranger by now, and then PostgreSQL would refuse to start.
                LogStale(PostmasterPid, _layout.Root);
                File.Delete(_layout.PidFile);
                File.Delete(_layout.Socket + ".lock");
            }
            else if (!await ListensWithinAsync(TimeSpan.FromSeconds(10), cancellationToken))
            {
                // Alive but deaf: its socket was removed, or it is on its way down.
                LogDeaf(PostmasterPid, _layout.Root);
                await account.Command(binaries["pg_ctl"], ["stop", "-s", "-w", "-D", "data", "-m", "fast", "-t", "60"], _layout.Root).ExecuteBufferedAsync(cancellationToken);
            }
            else
            {
                LogAdopted(PostmasterPid, _layout.Root);
                await WaitUntilReadyAsync(cancellationToken);
                return;
            }
        }

        await LaunchAsync(account, binaries, cancellationToken);
    }

    private async Task InitialiseAsync(EmbeddedPostgresAccount account, EmbeddedPostgresBinaries binaries, CancellationToken cancellationToken)
    {
        // Made aside and renamed, so that a kill half-way leaves nothing that looks like a cluster.
        if (Directory.Exists(_layout.DataBeingMade)) Directory.Delete(_layout.DataBeingMade, recursive: true);
        var locale = OperatingSystem.IsLinux() ? "C.UTF-8" : "C";
        string[] durability = options.Settings.TryGetValue("fsync", out var fsync) && fsync == "off" ? ["--no-sync"] : [];
        var answer = await account.Command(
            binaries["initdb"],
            ["-D", "data.new", "-U", User, "--auth=trust", "--encoding=UTF8", $"--locale={locale}", "--data-checksums", .. durability],
            _layout.Root).ExecuteBufferedAsync(cancellationToken);
        if (!answer.IsSuccess) throw new EmbeddedPostgresException($"PostgreSQL could not make its files in {_layout.Root}: {answer.StandardError.Trim()}");

        File.AppendAllText(Path.Combine(_layout.DataBeingMade, "postgresql.conf"), "\n# Written by the server at each start.\ninclude 'incidents.conf'\n");
        Directory.Move(_layout.DataBeingMade, _layout.Data);
        LogMade(binaries.Major, _layout.Root);
    }

    private async Task LaunchAsync(EmbeddedPostgresAccount account, EmbeddedPostgresBinaries binaries, CancellationToken cancellationToken)
    {
        await EnsureSocketDirectoryAsync(account, cancellationToken);
        var settings = Path.Combine(_layout.Data, "incidents.conf");
        File.WriteAllText(settings, Configuration());
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(settings, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);

        var began = clock.GetTimestamp();
        var failures = 0;
        while (true)
        {
            File.Delete(_layout.StartLog);

            // pg_ctl goes through a shell: relative names keep whatever the path holds out of it. It also gives PostgreSQL a session of its own.
            // The hour is for the recovery after a crash, which is as long as what was written since the last checkpoint.
            var answer = await account.Command(binaries["pg_ctl"], ["start", "-s", "-w", "-D", "data", "-l", "start.log", "-t", "3600"], _layout.Root).ExecuteBufferedAsync(cancellationToken);
            if (answer.IsSuccess) break;

            // After its main process was killed, the others notice within moments; until then their shared memory is in the way.
            var said = WhatItSaid(answer.StandardError);
            var inTheWay = said.Contains("still in use", StringComparison.Ordinal) || said.Contains("could not bind", StringComparison.Ordinal);

            // Killed while it started says nothing of its own: it gets a few more chances before this is called broken.
            failures++;
            if ((!inTheWay && failures >= MostStartFailures) || clock.GetElapsedTime(began) > TimeSpan.FromMinutes(1))
                throw new EmbeddedPostgresException($"PostgreSQL in {_layout.Root} did not start. {said}");
            await Task.Delay(TimeSpan.FromMilliseconds(200), clock, cancellationToken);
        }

        LogStarted(binaries.Major, PostmasterPid, _layout.Root);
    }

    private string Configuration()
    {
        var settings = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["listen_addresses"] = "''",
            ["port"] = "5432",
            ["unix_socket_directories"] = $"'{_layout.SocketDirectory}'",
            ["unix_socket_permissions"] = "0700",
            ["max_connections"] = "100",
            ["shared_buffers"] = "256MB",
            ["wal_compression"] = "on",
            ["logging_collector"] = "on",
            ["log_directory"] = "'../log'",

            // One file a weekday, begun anew each week: a week of log, never more.
            ["log_filename"] = "'postgresql-%a.log'",
            ["log_rotation_age"] = "1d",
            ["log_rotation_size"] = "0",
            ["log_truncate_on_rotation"] = "on",
            ["log_timezone"] = "'UTC'",
            ["timezone"] = "'UTC'",
        };
        foreach (var (name, value) in options.Settings) settings[name] = value;
        return "# Written by the server at each start; changes here do not last.\n" + string.Concat(settings.Select(s => $"{s.Key} = {s.Value}\n"));
    }

    private async Task MakeFoldersAsync(EmbeddedPostgresAccount account, CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows()) return;

        var missing = new Stack<string>();
        for (var folder = _layout.Root; folder is not null && !Directory.Exists(folder); folder = Path.GetDirectoryName(folder)) missing.Push(folder);
        foreach (var folder in missing)
        {
            Directory.CreateDirectory(folder);
            if (folder != _layout.Root)
            {
                // Passable whatever the umask: PostgreSQL may run under another account.
                File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
                continue;
            }

            File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            await account.OwnAsync(folder, cancellationToken);
        }

        try
        {
            Directory.GetFileSystemEntries(_layout.Root);
        }
        catch (UnauthorizedAccessException refused)
        {
            throw new EmbeddedPostgresException(
                $"{_layout.Root} belongs to another account, perhaps because the server was started as root before. Start it as before, or type: sudo chown -R {Environment.UserName} '{_layout.Root}'", refused);
        }
    }

    private async Task EnsureSocketDirectoryAsync(EmbeddedPostgresAccount account, CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows()) return;

        var folder = _layout.SocketDirectory;
        await account.Command("mkdir", ["-p", "-m", "700", folder], "/").ExecuteBufferedAsync(cancellationToken);

        // Under /tmp anybody could have made it first, to listen in our place.
        var owned = await account.Command("test", ["-O", folder], "/").ExecuteBufferedAsync(cancellationToken);
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        if (!owned.IsSuccess || new DirectoryInfo(folder).LinkTarget is not null || (File.GetUnixFileMode(folder) & Others) != UnixFileMode.None)
            throw new EmbeddedPostgresException($"{folder}, where PostgreSQL's socket goes, is not private to its account. Look who made it, then type: sudo rm -r '{folder}'");
    }

    private async Task CreateDatabaseAsync(CancellationToken cancellationToken)
    {
        await using var connection = new NpgsqlConnection(ConnectionTo("postgres", pooled: false));
        await connection.OpenAsync(cancellationToken);
        await using var exists = new NpgsqlCommand("select 1 from pg_database where datname = $1", connection) { Parameters = { new() { Value = options.Database } } };
        if (await exists.ExecuteScalarAsync(cancellationToken) is not null) return;

        await using var create = new NpgsqlCommand($"create database \"{options.Database.Replace("\"", "\"\"", StringComparison.Ordinal)}\"", connection);
        try
        {
            await create.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.DuplicateDatabase or PostgresErrorCodes.UniqueViolation)
        {
            // Another server of this data directory was as quick.
        }
    }

    private async Task StartGuardAsync(EmbeddedPostgresAccount account, EmbeddedPostgresBinaries binaries, CancellationToken cancellationToken)
    {
        // setsid and flock are util-linux; elsewhere PostgreSQL waits for the next server instead.
        if (!OperatingSystem.IsLinux()) return;
        var seconds = ((long)Math.Ceiling(options.OrphanGrace.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        await account.Command("/bin/sh", ["-c", Guard, "guard", _layout.Root, binaries["pg_ctl"], seconds], _layout.Root).ExecuteBufferedAsync(cancellationToken);
    }

    private async Task<FileStream> LockAsync(string path, FileShare share, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        while (true)
        {
            if (TryLock(path, share) is { } held) return held;
            if (clock.GetElapsedTime(began) > LockPatience) throw new EmbeddedPostgresException($"{path} was held by another process for {LockPatience.TotalMinutes} minutes. Look for a server that hangs while it starts or stops.");
            await Task.Delay(LockPoll, clock, cancellationToken);
        }
    }

    /// <summary>flock, which ends with the process that holds it. Null when another holds it.</summary>
    private static FileStream? TryLock(string path, FileShare share)
    {
        try
        {
            if (!File.Exists(path))
            {
                using var made = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
                if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            }

            return new FileStream(path, FileMode.Open, FileAccess.Read, share);
        }
        catch (IOException e) when (e is not FileNotFoundException and not DirectoryNotFoundException)
        {
            return null;
        }
    }

    private async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await using var connection = new NpgsqlConnection(ConnectionTo("postgres", pooled: false));
                await connection.OpenAsync(cancellationToken);
                return;
            }
            catch (NpgsqlException) when (IsRunning())
            {
                // Still recovering.
                await Task.Delay(TimeSpan.FromMilliseconds(100), clock, cancellationToken);
            }
        }
    }

    private async Task<bool> ListensWithinAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        while (clock.GetElapsedTime(began) < patience && IsRunning())
        {
            if (IsListening()) return true;
            await Task.Delay(LockPoll, clock, cancellationToken);
        }

        return IsListening();
    }

    private bool IsListening()
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(_layout.Socket));
            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode is SocketError.WouldBlock or SocketError.TryAgain;
        }
    }

    /// <summary>Whether the process that wrote the file is alive: it works in its data folder, so the file seen from there is the same.</summary>
    private static bool IsProcess(string[] lines)
    {
        if (!int.TryParse(lines[0], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)) return false;
        if (OperatingSystem.IsLinux()) return ReadPidFile($"/proc/{pid}/cwd/postmaster.pid").Take(3).SequenceEqual(lines.Take(3));
        try
        {
            using var process = Process.GetProcessById(pid);
            return process.ProcessName.Contains("postgres", StringComparison.Ordinal);
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static string[] ReadPidFile(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private int? StoredMajor()
    {
        var file = Path.Combine(_layout.Data, "PG_VERSION");
        return File.Exists(file) && int.TryParse(File.ReadAllText(file).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var major) ? major : null;
    }

    private string WhatItSaid(string error)
    {
        var said = new StringBuilder(error.Trim());
        if (File.Exists(_layout.StartLog)) said.Append(' ').AppendJoin(' ', File.ReadLines(_layout.StartLog).TakeLast(8));
        if (Directory.Exists(_layout.LogDirectory))
        {
            var newest = new DirectoryInfo(_layout.LogDirectory).EnumerateFiles("*.log").MaxBy(f => f.LastWriteTimeUtc);
            if (newest is not null) said.Append(' ').AppendJoin(' ', File.ReadLines(newest.FullName).TakeLast(5)).Append(" (").Append(newest.FullName).Append(')');
        }

        return said.ToString();
    }

    private string ConnectionTo(string database, bool pooled) => new NpgsqlConnectionStringBuilder
    {
        Host = _layout.SocketDirectory,
        Port = 5432,
        Username = User,
        Database = database,
        ApplicationName = "incidents",
        Pooling = pooled,
        MaxPoolSize = DatabaseConnection.MaximumPoolSize,
    }.ConnectionString;

    [LoggerMessage(Level = LogLevel.Information, Message = "PostgreSQL {Major} files made in {Directory}")]
    private partial void LogMade(int major, string directory);

    [LoggerMessage(Level = LogLevel.Information, Message = "PostgreSQL {Major} started as process {Pid} in {Directory}")]
    private partial void LogStarted(int major, int? pid, string directory);

    [LoggerMessage(Level = LogLevel.Information, Message = "PostgreSQL found running as process {Pid} in {Directory} and adopted")]
    private partial void LogAdopted(int? pid, string directory);

    [LoggerMessage(Level = LogLevel.Warning, Message = "PostgreSQL process {Pid} in {Directory} had ended without a shutdown; it recovers from its log")]
    private partial void LogStale(int? pid, string directory);

    [LoggerMessage(Level = LogLevel.Warning, Message = "PostgreSQL process {Pid} in {Directory} did not listen and was stopped to be started again")]
    private partial void LogDeaf(int? pid, string directory);

    [LoggerMessage(Level = LogLevel.Information, Message = "PostgreSQL in {Directory} stopped")]
    private partial void LogStopped(string directory);

    [LoggerMessage(Level = LogLevel.Information, Message = "PostgreSQL in {Directory} left running for another server")]
    private partial void LogLeftRunning(string directory);

    [LoggerMessage(Level = LogLevel.Warning, Message = "PostgreSQL's account could not have passed {Closed}, so the database was put in {Directory}")]
    private partial void LogMoved(string closed, string directory);
}
