using System;
using Microsoft.EntityFrameworkCore.Migrations;
using NodaTime;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace Incidents.Migrations
{
    /// <inheritdoc />
    public partial class Quiet : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<Instant>(
                name: "flapping_since",
                table: "incidents",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "flaps",
                table: "incidents",
                type: "text",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "quiet_by",
                table: "incidents",
                type: "text",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "quiet_rule",
                table: "incidents",
                type: "text",
                nullable: true);

            migrationBuilder.AddColumn<Instant>(
                name: "quiet_since",
                table: "incidents",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<Instant>(
                name: "settle_flapping_at",
                table: "incidents",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<long>(
                name: "storm_number",
                table: "incidents",
                type: "bigint",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "muted_rule",
                table: "alerts",
                type: "text",
                nullable: true);

            migrationBuilder.AddColumn<Instant>(
                name: "muted_since",
                table: "alerts",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<Instant>(
                name: "muted_until",
                table: "alerts",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.CreateTable(
                name: "inhibition_sources",
                columns: table => new
                {
                    rule_id = table.Column<Guid>(type: "uuid", nullable: false),
                    equal_id = table.Column<Guid>(type: "uuid", nullable: false),
                    alert_id = table.Column<long>(type: "bigint", nullable: false),
                    is_target = table.Column<bool>(type: "boolean", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_inhibition_sources", x => new { x.rule_id, x.equal_id, x.alert_id });
                });

            migrationBuilder.CreateTable(
                name: "mutings",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    rule = table.Column<string>(type: "text", nullable: false),
                    alert_id = table.Column<long>(type: "bigint", nullable: true),
                    incident_number = table.Column<long>(type: "bigint", nullable: true),
                    would_page = table.Column<bool>(type: "boolean", nullable: false),
                    began_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    ended_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    how = table.Column<string>(type: "text", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_mutings", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "silences",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    kind = table.Column<string>(type: "text", nullable: false),
                    matchers = table.Column<string[]>(type: "text[]", nullable: false),
                    owner = table.Column<string>(type: "text", nullable: false),
                    reason = table.Column<string>(type: "text", nullable: false),
                    starts_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    ends_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    windows = table.Column<string>(type: "jsonb", nullable: true),
                    created_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    ended_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    ended_by = table.Column<string>(type: "text", nullable: true),
                    revision = table.Column<long>(type: "bigint", nullable: false),
                    upstream_id = table.Column<string>(type: "text", nullable: true),
                    mirror_state = table.Column<string>(type: "text", nullable: true),
                    mirror_due_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    mirror_attempts = table.Column<int>(type: "integer", nullable: false),
                    mirror_detail = table.Column<string>(type: "text", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_silences", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "storms",
                columns: table => new
                {
                    incident_number = table.Column<long>(type: "bigint", nullable: false),
                    began_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    calm_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    ended_at = table.Column<Instant>(type: "timestamp with time zone", nullable: true),
                    told = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_storms", x => x.incident_number);
                });

            migrationBuilder.CreateTable(
                name: "upstream_silences",
                columns: table => new
                {
                    id = table.Column<string>(type: "text", nullable: false),
                    matchers = table.Column<string[]>(type: "text[]", nullable: false),
                    owner = table.Column<string>(type: "text", nullable: false),
                    comment = table.Column<string>(type: "text", nullable: false),
                    starts_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    ends_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false),
                    hidden = table.Column<string[]>(type: "text[]", nullable: false),
                    read_at = table.Column<Instant>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_upstream_silences", x => x.id);
                });

            migrationBuilder.CreateIndex(
                name: "ix_incidents_quiet_rule",
                table: "incidents",
                column: "quiet_rule",
                filter: "quiet_rule is not null");

            migrationBuilder.CreateIndex(
                name: "ix_incidents_settle_flapping_at",
                table: "incidents",
                column: "settle_flapping_at",
                filter: "settle_flapping_at is not null");

            migrationBuilder.CreateIndex(
                name: "ix_incidents_storm_number",
                table: "incidents",
                column: "storm_number",
                filter: "storm_number is not null");

            migrationBuilder.CreateIndex(
                name: "ix_alerts_muted_until",
                table: "alerts",
                column: "muted_until",
                filter: "status = 'firing' and outcome = 'suppressed' and muted_until is not null");

            migrationBuilder.CreateIndex(
                name: "ix_inhibition_sources_alert_id",
                table: "inhibition_sources",
                column: "alert_id");

            migrationBuilder.CreateIndex(
                name: "ix_mutings_alert_id",
                table: "mutings",
                column: "alert_id",
                filter: "ended_at is null and alert_id is not null");

            migrationBuilder.CreateIndex(
                name: "ix_mutings_began_at",
                table: "mutings",
                column: "began_at");

            migrationBuilder.CreateIndex(
                name: "ix_mutings_incident_number",
                table: "mutings",
                column: "incident_number",
                filter: "ended_at is null and incident_number is not null");

            migrationBuilder.CreateIndex(
                name: "ix_silences_ends_at",
                table: "silences",
                column: "ends_at",
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_silences_mirror_due_at",
                table: "silences",
                column: "mirror_due_at",
                filter: "mirror_due_at is not null");

            migrationBuilder.CreateIndex(
                name: "ix_storms_ended_at",
                table: "storms",
                column: "ended_at",
                filter: "ended_at is null");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "inhibition_sources");

            migrationBuilder.DropTable(
                name: "mutings");

            migrationBuilder.DropTable(
                name: "silences");

            migrationBuilder.DropTable(
                name: "storms");

            migrationBuilder.DropTable(
                name: "upstream_silences");

            migrationBuilder.DropIndex(
                name: "ix_incidents_quiet_rule",
                table: "incidents");

            migrationBuilder.DropIndex(
                name: "ix_incidents_settle_flapping_at",
                table: "incidents");

            migrationBuilder.DropIndex(
                name: "ix_incidents_storm_number",
                table: "incidents");

            migrationBuilder.DropIndex(
                name: "ix_alerts_muted_until",
                table: "alerts");

            migrationBuilder.DropColumn(
                name: "flapping_since",
                table: "incidents");

            migrationBuilder.DropColumn(
                name: "flaps",
                table: "incidents");

            migrationBuilder.DropColumn(
                name: "quiet_by",
                table: "incidents");

            migrationBuilder.DropColumn(
                name: "quiet_rule",
                table: "incidents");

            migrationBuilder.DropColumn(
                name: "quiet_since",
                table: "incidents");

            migrationBuilder.DropColumn(
                name: "settle_flapping_at",
                table: "incidents");

            migrationBuilder.DropColumn(
                name: "storm_number",
                table: "incidents");

            migrationBuilder.DropColumn(
                name: "muted_rule",
                table: "alerts");

            migrationBuilder.DropColumn(
                name: "muted_since",
                table: "alerts");

            migrationBuilder.DropColumn(
                name: "muted_until",
                table: "alerts");
        }
    }
}
