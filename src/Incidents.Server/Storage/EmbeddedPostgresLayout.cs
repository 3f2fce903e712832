using System.Security.Cryptography;
using System.Text;

namespace Incidents.Server.Storage;

/// <summary>
/// Where the files of an embedded PostgreSQL are. Computed from the data directory alone, before anything is started,
/// so that every server of one data directory arrives at the same paths and the connection string is known at once.
/// </summary>
internal sealed record EmbeddedPostgresLayout
{
    /// <summary>Bytes a socket's path may have: 107 on Linux, 103 on macOS.</summary>
    private static readonly int LongestSocketPath = OperatingSystem.IsLinux() ? 107 : 103;

    /// <summary>The folder that holds everything; only the account PostgreSQL runs under (and root) can enter it.</summary>
    public required string Root { get; init; }

    /// <summary>The folder of the socket, normally inside <see cref="Root"/>.</summary>
    public required string SocketDirectory { get; init; }

    /// <summary>The folder that PostgreSQL's account could not have reached, because of which <see cref="Root"/> is elsewhere. Null: it is where it was asked for.</summary>
    public string? UnreachableParent { get; init; }

    public string Data => Path.Combine(Root, "data");

    public string DataBeingMade => Path.Combine(Root, "data.new");

    public string PidFile => Path.Combine(Data, "postmaster.pid");

    public string StartLog => Path.Combine(Root, "start.log");

    public string LogDirectory => Path.Combine(Root, "log");

    /// <summary>Held alone while PostgreSQL is being made, started or stopped.</summary>
    public string ChangeLock => Path.Combine(Root, "change.lock");

    /// <summary>Held shared by every server that uses this PostgreSQL; the one that can hold it alone is the last.</summary>
    public string UsersLock => Path.Combine(Root, "users.lock");

    public string Socket => Path.Combine(SocketDirectory, ".s.PGSQL.5432");

    /// <param name="dataDirectory">Relative to the current directory, or absolute.</param>
    /// <param name="dropsRoot">True when the server is root, so that PostgreSQL will run under another account and must be able to reach its files.</param>
    public static EmbeddedPostgresLayout For(string dataDirectory, bool dropsRoot)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(dataDirectory));
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(full)))[..12];
        var closed = dropsRoot ? ClosedParent(full) : null;
        var root = closed is null ? Path.Combine(full, "postgres") : $"/var/lib/incidents-{hash}";
        return new() { Root = root, SocketDirectory = SocketDirectoryFor(root, hash), UnreachableParent = closed };
    }

    private static string SocketDirectoryFor(string root, string hash)
    {
        var inside = Path.Combine(root, "run");
        var fits = Encoding.UTF8.GetByteCount(Path.Combine(inside, ".s.PGSQL.5432")) <= LongestSocketPath;

        // A comma separates hosts for Npgsql and folders for PostgreSQL; a colon and quotes have meanings of their own.
        return fits && inside.IndexOfAny([',', ':', ';', '"', '\'', '\\', '=']) < 0 ? inside : $"/tmp/incidents-{hash}";
    }

    /// <summary>The outermost folder on the way that only its owner may pass.</summary>
    private static string? ClosedParent(string path)
    {
        string? closed = null;
        for (var folder = path; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (Directory.Exists(folder) && !OperatingSystem.IsWindows() && !File.GetUnixFileMode(folder).HasFlag(UnixFileMode.OtherExecute)) closed = folder;
        }

        return closed;
    }
}
