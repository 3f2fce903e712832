using Microsoft.EntityFrameworkCore.Migrations;
using NodaTime;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace Incidents.Migrations
{
    /// <inheritdoc />
    public partial class Heartbeats : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "heartbeat_watch",
                columns: table => new
                {
                    id = table.Column<int>(type: "integer", nullable: false),
                    looked_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    outage_from = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    outage_to = table.Column<Instant>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_heartbeat_watch", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "heartbeats",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    kind = table.Column<string>(type: "text", nullable: false),
                    source = table.Column<string>(type: "text", nullable: false),
                    key = table.Column<string>(type: "text", nullable: false),
                    name = table.Column<string>(type: "text", nullable: false),
                    is_configured = table.Column<bool>(type: "boolean", nullable: false),
                    expect_every = table.Column<Duration>(type: "interval", nullable: true),
                    grace = table.Column<Duration>(type: "interval", nullable: true),
                    severity = table.Column<string>(type: "text", nullable: false),
                    labels = table.Column<string>(type: "jsonb", nullable: false),
                    since = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    last_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    heard_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    due_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    state = table.Column<string>(type: "text", nullable: false),
                    missed_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    why = table.Column<string>(type: "text", nullable: true),
                    gaps = table.Column<int[]>(type: "integer[]", nullable: false),
                    incident_number = table.Column<long>(type: "bigint", nullable: true),
                    token_hash = table.Column<byte[]>(type: "bytea", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_heartbeats", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "heartbeat_gaps",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    heartbeat_id = table.Column<long>(type: "bigint", nullable: false),
                    missed_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    back_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    incident_number = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_heartbeat_gaps", x => x.id);
                    table.ForeignKey(
                        name: "fk_heartbeat_gaps_heartbeats_heartbeat_id",
                        column: x => x.heartbeat_id,
                        principalTable: "heartbeats",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateIndex(
                name: "ix_heartbeat_gaps_heartbeat_id",
                table: "heartbeat_gaps",
                column: "heartbeat_id",
                unique: true,
                filter: "back_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_heartbeat_gaps_heartbeat_id_missed_at",
                table: "heartbeat_gaps",
                columns: new[] { "heartbeat_id", "missed_at" });

            migrationBuilder.CreateIndex(
                name: "ix_heartbeats_due_at",
                table: "heartbeats",
                column: "due_at",
                filter: "state <> 'missed'");

            migrationBuilder.CreateIndex(
                name: "ix_heartbeats_id",
                table: "heartbeats",
                column: "id",
                filter: "state = 'missed'");

            migrationBuilder.CreateIndex(
                name: "ix_heartbeats_kind_source_key",
                table: "heartbeats",
                columns: new[] { "kind", "source", "key" },
                unique: true);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "heartbeat_gaps");

            migrationBuilder.DropTable(
                name: "heartbeat_watch");

            migrationBuilder.DropTable(
                name: "heartbeats");
        }
    }
}
